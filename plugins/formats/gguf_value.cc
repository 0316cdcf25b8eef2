#include "plugins/formats/gguf_value.hpp"

namespace troupe::plugins {
namespace {

bool read_boolean(GgufCursor& in) {
  const std::uint64_t start = in.at();
  const auto value = in.number<std::uint8_t>("value");
  if (value > 1) in.fail(Code::bad_file, start, "value", std::to_string(value), "0 or 1, for it is a boolean");
  return value == 1;
}

MetaArray::Kind array_kind(ElementType type) {
  if (type == ElementType::string) return MetaArray::Kind::strings;
  if (type == ElementType::boolean) return MetaArray::Kind::bools;
  return type == ElementType::f32 || type == ElementType::f64 ? MetaArray::Kind::floats : MetaArray::Kind::integers;
}

MetaArray read_array(GgufCursor& in) {
  const std::uint64_t start = in.at();
  const auto number = in.number<std::uint32_t>("element type");
  const auto type = static_cast<ElementType>(number);
  const bool strings = type == ElementType::string;
  const std::uint64_t each = strings ? sizeof(std::uint64_t) : element_bytes(type);
  if (each == 0) {
    const std::string found = std::to_string(number) + (type == ElementType::array ? " (an array of arrays)" : "");
    in.fail(Code::unsupported, start, "element type", found, "0 to 8 or 10 to 12");
    return {};
  }
  MetaArray array{array_kind(type), in.count("array length", each, UINT64_MAX), {}, number};
  const std::uint64_t first = in.at();
  if (strings) {
    for (std::uint64_t i = 0; i < array.count && !in.failed(); ++i) (void)in.string("string in the array");
  } else {
    (void)in.take("array", array.count * each);
  }
  array.raw = in.since(first);
  return array;
}

}  // namespace

MetaValue read_gguf_value(GgufCursor& in) {
  const std::uint64_t start = in.at();
  const auto type = in.number<std::uint32_t>("type");
  switch (static_cast<ElementType>(type)) {
    case ElementType::u8:
      return std::uint64_t{in.number<std::uint8_t>("value")};
    case ElementType::i8:
      return std::int64_t{in.number<std::int8_t>("value")};
    case ElementType::u16:
      return std::uint64_t{in.number<std::uint16_t>("value")};
    case ElementType::i16:
      return std::int64_t{in.number<std::int16_t>("value")};
    case ElementType::u32:
      return std::uint64_t{in.number<std::uint32_t>("value")};
    case ElementType::i32:
      return std::int64_t{in.number<std::int32_t>("value")};
    case ElementType::u64:
      return in.number<std::uint64_t>("value");
    case ElementType::i64:
      return in.number<std::int64_t>("value");
    case ElementType::f32:
      return double{in.number<float>("value")};
    case ElementType::f64:
      return in.number<double>("value");
    case ElementType::boolean:
      return read_boolean(in);
    case ElementType::string:
      return in.string("value");
    case ElementType::array:
      return read_array(in);
  }
  in.fail(Code::unsupported, start, "type", std::to_string(type), "0 to 12");
  return false;
}

}  // namespace troupe::plugins
