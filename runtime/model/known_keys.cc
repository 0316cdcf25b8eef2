#include "runtime/model/known_keys.hpp"

#include <algorithm>

#include "runtime/model/meta_text.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

/// As a table writes it: both zeros are one.
std::string plain(double number) { return text_of(number + 0.0); }
template <class Value>
std::string plain(const Value& value) {
  return text_of(value);
}

/// The elements of a list of plain values; nothing where they are lists themselves.
std::optional<std::vector<std::string>> elements(const MetaArray& array) {
  std::vector<std::string> texts;
  for (const std::int64_t number : array.integers()) texts.push_back(plain(number));
  for (const float number : array.floats()) texts.push_back(plain(double{number}));
  for (const std::string_view text : array.strings()) texts.push_back(plain(text));
  if (array.kind == MetaArray::Kind::bools) {
    for (const bool truth : array.truths()) texts.push_back(plain(truth));
  }
  if (texts.size() != array.count) return std::nullopt;
  return texts;
}

bool is_one_of(std::string_view text, std::string_view values) {
  while (true) {
    const std::size_t bar = values.find('|');
    if (text == values.substr(0, bar)) return true;
    if (bar == std::string_view::npos) return false;
    values.remove_prefix(bar + 1);
  }
}

bool is_neutral(const MetaValue& value, std::string_view values) {
  const auto* array = std::get_if<MetaArray>(&value);
  if (array == nullptr) {
    return std::visit(
        [&](const auto& one) {
          if constexpr (!std::is_same_v<std::decay_t<decltype(one)>, MetaArray>) return is_one_of(plain(one), values);
          return false;
        },
        value);
  }
  constexpr std::uint64_t most = 1U << 16;  // more than any model has layers
  if (array->count > most) return false;
  const auto texts = elements(*array);
  return texts && std::all_of(texts->begin(), texts->end(), [&](const auto& text) { return is_one_of(text, values); });
}

std::string shown_list(const MetaArray& array) {
  constexpr std::size_t most = 8;
  const auto texts = elements(array.first(most));
  if (!texts) return "a list of lists";
  const bool words = array.kind == MetaArray::Kind::strings;
  std::string out = "[";
  for (std::size_t i = 0; i < texts->size(); ++i) {
    out += (i > 0 ? ", " : "") + (words ? quoted((*texts)[i]) : (*texts)[i]);
  }
  return out + (array.count > most ? ", ...] of " + std::to_string(array.count) : "]");
}

const KnownKey* look_up(std::span<const KnownKey> known, std::string_view name) {
  const auto at = std::find_if(known.begin(), known.end(), [&](const KnownKey& key) {
    return key.name.ends_with('*') ? name.starts_with(key.name.substr(0, key.name.size() - 1)) : name == key.name;
  });
  return at == known.end() ? nullptr : &*at;
}

bool is_heard(const MetaValue& value, const KnownKey* key) {
  if (key == nullptr) return false;
  return key->role != KnownKey::Role::neutral || is_neutral(value, key->note);
}

std::string complaint(const MetaEntry& entry, const KnownKey* key) {
  std::string line = quoted(entry.key) + " is " + shown_value(entry.value);
  if (key == nullptr) return line;
  std::string values(key->note);
  for (std::size_t bar = values.find('|'); bar != std::string::npos; bar = values.find('|')) {
    values.replace(bar, 1, " or ");
  }
  return line + (values.empty() ? " (known is none)" : " (known is " + values + ")");
}

}  // namespace

std::string shown_value(const MetaValue& value) {
  return std::visit(
      [](const auto& one) -> std::string {
        using Value = std::decay_t<decltype(one)>;
        if constexpr (std::is_same_v<Value, MetaArray>) {
          return shown_list(one);
        } else if constexpr (std::is_same_v<Value, std::string_view>) {
          return quoted(one);
        } else {
          return plain(one);
        }
      },
      value);
}

std::string how_to_ignore(std::span<const std::string> keys) {
  std::string flags;
  for (const std::string& key : keys) flags += (flags.empty() ? "--ignore-key " : " --ignore-key ") + on_one_line(key);
  return flags + " (LoadOptions::ignore_keys) runs it as if " +
         (keys.size() == 1 ? "the key were not there" : "the keys were not there");
}

Result<void> check_keys(const ModelFile& file, std::string_view prefix, std::span<const KnownKey> known) {
  constexpr std::size_t most = 8;  // that one line can hold
  std::string complaints;
  std::vector<std::string> keys;
  std::size_t more = 0;
  for (const MetaEntry& entry : file.metadata) {
    if (!entry.key.starts_with(prefix) || !entry.key.substr(prefix.size()).starts_with('.')) continue;
    const KnownKey* key = look_up(known, entry.key.substr(prefix.size() + 1));
    if (is_heard(entry.value, key)) continue;
    if (keys.size() == most && ++more > 0) continue;
    complaints += (keys.empty() ? "" : ", ") + complaint(entry, key);
    keys.emplace_back(entry.key);
  }
  if (keys.empty()) return {};
  if (more > 0) complaints += " and " + std::to_string(more) + " more";
  return Error(Code::unsupported, quoted(file.path) + ": " + complaints +
                                      (keys.size() == 1 ? ", which" : ", which all") +
                                      " this build does not know how to obey; " + how_to_ignore(keys));
}

}  // namespace troupe
