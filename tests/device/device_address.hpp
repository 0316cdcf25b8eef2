#pragma once

#include <cstdint>

namespace troupe::testing {

/// What the late device calls an address of its memory, and back: one at which a host that looks faults.
template <class T>
[[nodiscard]] T* device_address(T* address) {
  constexpr std::uintptr_t beyond = std::uintptr_t{1} << 62;  // no x86-64 or ARM64 maps anything there
  return address == nullptr ? nullptr : reinterpret_cast<T*>(reinterpret_cast<std::uintptr_t>(address) ^ beyond);
}

}  // namespace troupe::testing
