#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace troupe {

static_assert(std::endian::native == std::endian::little, "model files are read in place, and they are little-endian");

/// The types of metadata values, numbered as GGUF numbers them; MetaArray::file_type holds one.
enum class ElementType : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

/// Bytes of one element; 0 where they differ (strings, arrays) and where there is no such type.
[[nodiscard]] constexpr std::size_t element_bytes(ElementType type) {
  switch (type) {
    case ElementType::u8:
    case ElementType::i8:
    case ElementType::boolean:
      return 1;
    case ElementType::u16:
    case ElementType::i16:
      return 2;
    case ElementType::u32:
    case ElementType::i32:
    case ElementType::f32:
      return 4;
    case ElementType::u64:
    case ElementType::i64:
    case ElementType::f64:
      return 8;
    default:
      return 0;
  }
}

/// A number at any address. Precondition: the bytes are there.
template <class T>
[[nodiscard]] T read_number(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace troupe
