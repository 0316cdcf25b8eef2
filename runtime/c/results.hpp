#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/c/boundary.hpp"

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

/// Runs a call that makes ids, and hands them out.
template <class Call>
troupe_status ids_from(const Call& call, std::int32_t** ids, std::size_t* count, troupe_error* error) {
  return guarded(error, [&] {
    auto& memory = emptied(ids, "ids");
    auto& size = emptied(count, "count");
    const std::vector<std::int32_t> found = call();
    memory = handed_out(std::span<const std::int32_t>(found), found.size());
    size = found.size();
  });
}

/// A text for two out parameters of a call, of which the length may not be wanted.
inline void hand_out(std::string_view text, char*& to, std::size_t* length) {
  to = handed_out(text);
  if (length != nullptr) *length = text.size();
}

}  // namespace troupe::c
