#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>

#include "runtime/c/boundary.hpp"
#include "runtime/c/troupe.h"
#include "troupe/error.hpp"

namespace troupe::c {

// Structs of the host's, which may be of an older or a newer header: shorter, or longer. All their fields lie within
// words of eight bytes, so that a cut between words cuts no field.
constexpr std::size_t word = 8;
static_assert(sizeof(std::size_t) == word && sizeof(void*) == word);

/// No struct will ever be as long: a size above it was never set.
constexpr std::size_t longest_struct = 4096;

[[nodiscard]] inline Error unknown_field(const char* name) {
  return {Code::unsupported, std::string(name) + " has a field set that this library, version " + troupe_version() +
                                 ", does not know; it must be zero"};
}

/// How many bytes of a struct both sides know.
template <class T>
[[nodiscard]] std::size_t shared_size(std::size_t given) {
  static_assert(sizeof(T) % word == 0);
  return std::min(given, sizeof(T)) / word * word;
}

/// Fills a struct of the host's with `from`; what lies behind, which a newer header has, with zeros.
template <class T>
void write(T* to, std::size_t size, T from) {
  if (to == nullptr || size < word) return;
  from.size = size;
  const std::size_t shared = shared_size<T>(size);
  std::memcpy(static_cast<void*>(to), &from, shared);
  std::memset(reinterpret_cast<char*>(to) + shared, 0, size - shared);
}

/// Throws invalid_argument where a struct's size was never set.
template <class T>
void check_size(const T& given, const std::string& name) {
  if (given.size >= word && given.size <= longest_struct) return;
  throw Error(Code::invalid_argument, name + ".size is " + std::to_string(given.size) + "; " + name +
                                          "_default sets it before anything else is set");
}

/// Fills a struct of the host's that has been made by its default maker. `name` is the struct's without "troupe_".
template <class T>
void fill(T* to, const char* name, const T& from) {
  check_size(needed(to, name), std::string("troupe_") + name);
  write(to, to->size, from);
}

/// What a host gave, completed with the defaults, which also stand for NULL. `name` is the struct's. Throws
/// invalid_argument where its size was never set, and unsupported where it says what this library does not know.
template <class T>
[[nodiscard]] T read(const T* given, T defaults, const char* name) {
  if (given == nullptr) return defaults;
  const std::size_t size = given->size;
  check_size(*given, name);
  std::memcpy(static_cast<void*>(&defaults), given, shared_size<T>(size));
  const auto* const bytes = reinterpret_cast<const unsigned char*>(given);
  const bool more =
      size > sizeof(T) && std::any_of(bytes + sizeof(T), bytes + size, [](auto byte) { return byte != 0; });
  if (more) throw unknown_field(name);
  return defaults;
}

}  // namespace troupe::c
