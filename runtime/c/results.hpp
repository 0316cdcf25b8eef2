#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <string_view>

namespace troupe::c {

/// Memory that the caller gives to troupe_free. Throws bad_alloc.
template <class T>
[[nodiscard]] T* handed_out(std::span<const T> from, std::size_t room) {
  void* const memory = std::malloc(std::max<std::size_t>(room, 1) * sizeof(T));
  if (memory == nullptr) throw std::bad_alloc();
  if (!from.empty()) std::memcpy(memory, from.data(), from.size_bytes());
  return static_cast<T*>(memory);
}

/// A text with a zero byte behind it.
[[nodiscard]] inline char* handed_out(std::string_view text) {
  char* const memory = handed_out(std::span<const char>(text), text.size() + 1);
  memory[text.size()] = '\0';
  return memory;
}

}  // namespace troupe::c
