#include "runtime/model/model_file.hpp"

#include <algorithm>
#include <numeric>

#include "runtime/model/element_type.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

/// Every element of an array of numbers, widened.
template <class File, class Wide>
std::vector<Wide> widen(const MetaArray& array) {
  std::vector<Wide> numbers(array.count);
  const std::byte* at = array.raw.data();
  for (Wide& number : numbers) {
    number = static_cast<Wide>(read_number<File>(at));
    at += sizeof(File);
  }
  return numbers;
}

const char* type_name(const MetaValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value); number != nullptr && *number < 0) {
    return "a negative integer";
  }
  constexpr const char* names[] = {"an integer", "an integer", "a floating-point number",
                                   "a boolean",  "a string",   "an array"};
  return names[value.index()];
}

Error missing(const ModelFile& file, std::string_view key, const char* expected) {
  return {Code::bad_file, quoted(file.path) + ": the key " + quoted(key) + " is missing; expected " + expected};
}

Error mistyped(const ModelFile& file, std::string_view key, const MetaValue& found, const char* expected) {
  return {Code::bad_file,
          quoted(file.path) + ": the key " + quoted(key) + " is " + type_name(found) + "; expected " + expected};
}

std::optional<std::uint64_t> as_integer(const MetaValue& value) {
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return *number;
  const auto* number = std::get_if<std::int64_t>(&value);
  if (number == nullptr || *number < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*number);
}

std::optional<double> as_number(const MetaValue& value) {
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return static_cast<double>(*number);
  return std::nullopt;
}

constexpr const char* integer_expected = "an integer that is not negative";
constexpr const char* number_expected = "a number";

}  // namespace

std::vector<std::string_view> MetaArray::strings() const {
  if (kind != Kind::strings) return {};
  std::vector<std::string_view> texts(count);
  const std::byte* at = raw.data();
  for (std::string_view& text : texts) {
    const auto length = read_number<std::uint64_t>(at);
    text = {reinterpret_cast<const char*>(at) + sizeof length, length};
    at += sizeof length + length;
  }
  return texts;
}

std::vector<std::int64_t> MetaArray::integers() const {
  if (kind != Kind::integers) return {};
  switch (static_cast<ElementType>(file_type)) {
    case ElementType::u8:
      return widen<std::uint8_t, std::int64_t>(*this);
    case ElementType::i8:
      return widen<std::int8_t, std::int64_t>(*this);
    case ElementType::u16:
      return widen<std::uint16_t, std::int64_t>(*this);
    case ElementType::i16:
      return widen<std::int16_t, std::int64_t>(*this);
    case ElementType::u32:
      return widen<std::uint32_t, std::int64_t>(*this);
    case ElementType::i32:
      return widen<std::int32_t, std::int64_t>(*this);
    default:
      return widen<std::int64_t, std::int64_t>(*this);
  }
}

std::vector<float> MetaArray::floats() const {
  if (kind != Kind::floats) return {};
  if (static_cast<ElementType>(file_type) == ElementType::f32) return widen<float, float>(*this);
  return widen<double, float>(*this);
}

std::vector<bool> MetaArray::truths() const {
  std::vector<bool> truths;
  if (kind == Kind::bools) {
    for (const std::byte truth : raw.first(count)) truths.push_back(truth != std::byte{0});
  }
  for (const std::int64_t number : integers()) truths.push_back(number != 0);
  return truths;
}

const MetaValue* ModelFile::find(std::string_view key) const {
  const auto at = std::find_if(metadata.begin(), metadata.end(), [&](const MetaEntry& e) { return e.key == key; });
  return at == metadata.end() ? nullptr : &at->value;
}

void ModelFile::sort_names() {
  by_name.resize(tensors.size());
  std::iota(by_name.begin(), by_name.end(), 0U);
  std::sort(by_name.begin(), by_name.end(),
            [&](std::uint32_t a, std::uint32_t b) { return tensors[a].name < tensors[b].name; });
}

const FileTensor* ModelFile::tensor(std::string_view name) const {
  if (by_name.size() == tensors.size()) {
    const auto place = std::lower_bound(by_name.begin(), by_name.end(), name,
                                        [&](std::uint32_t i, std::string_view n) { return tensors[i].name < n; });
    return place != by_name.end() && tensors[*place].name == name ? &tensors[*place] : nullptr;
  }
  const auto at = std::find_if(tensors.begin(), tensors.end(), [&](const FileTensor& t) { return t.name == name; });
  return at == tensors.end() ? nullptr : &*at;
}

Result<std::uint64_t> ModelFile::integer(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return missing(*this, key, integer_expected);
  const auto number = as_integer(*value);
  if (!number) return mistyped(*this, key, *value, integer_expected);
  return *number;
}

Result<double> ModelFile::number(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return missing(*this, key, number_expected);
  const auto number = as_number(*value);
  if (!number) return mistyped(*this, key, *value, number_expected);
  return *number;
}

Result<std::string_view> ModelFile::string(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return missing(*this, key, "a string");
  const auto* text = std::get_if<std::string_view>(value);
  if (text == nullptr) return mistyped(*this, key, *value, "a string");
  return *text;
}

Result<std::uint64_t> ModelFile::integer_or(std::string_view key, std::uint64_t fallback) const {
  if (find(key) == nullptr) return fallback;
  return integer(key);
}

Result<double> ModelFile::number_or(std::string_view key, double fallback) const {
  if (find(key) == nullptr) return fallback;
  return number(key);
}

Result<bool> ModelFile::boolean_or(std::string_view key, bool fallback) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return fallback;
  const auto* flag = std::get_if<bool>(value);
  if (flag == nullptr) return mistyped(*this, key, *value, "a boolean");
  return *flag;
}

}  // namespace troupe
