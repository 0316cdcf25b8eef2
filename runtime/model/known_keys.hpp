#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "runtime/model/model_file.hpp"

namespace troupe {

/// What an architecture, or a kind of tokenizer, knows of one metadata key.
struct KnownKey {
  enum class Role : std::uint8_t {
    used,      ///< read, and obeyed
    harmless,  ///< not read: it changes nothing here
    neutral,   ///< not read: it changes nothing at some values
  };
  Role role;
  std::string_view name;  ///< behind its prefix; a "*" at the end stands for anything
  std::string_view
      note;  ///< harmless: why; neutral: the values, "|" between them, which hold for every element of a list
};

constexpr KnownKey used(std::string_view name) { return {KnownKey::Role::used, name, {}}; }
constexpr KnownKey harmless(std::string_view name, std::string_view why) {
  return {KnownKey::Role::harmless, name, why};
}
constexpr KnownKey neutral(std::string_view name, std::string_view values) {
  return {KnownKey::Role::neutral, name, values};
}

/// A table and more of its kind.
template <std::size_t N, std::size_t M>
[[nodiscard]] constexpr std::array<KnownKey, N + M> joined(const std::array<KnownKey, N>& keys,
                                                           const std::array<KnownKey, M>& more) {
  std::array<KnownKey, N + M> all{};
  std::copy(more.begin(), more.end(), std::copy(keys.begin(), keys.end(), all.begin()));
  return all;
}

/// A table, and another whose entries take the place of those of the same names.
template <const auto& keys, const auto& own>
[[nodiscard]] consteval auto replaced() {
  const auto stays = [](const KnownKey& key) {
    return std::none_of(own.begin(), own.end(), [&](const KnownKey& other) { return other.name == key.name; });
  };
  std::array<KnownKey, std::count_if(keys.begin(), keys.end(), stays) + own.size()> all{};
  std::copy(own.begin(), own.end(), std::copy_if(keys.begin(), keys.end(), all.begin(), stays));
  return all;
}

/// Refuses a file (Code::unsupported, every such key by name and value) whose keys under "<prefix>." say something that
/// is not heard: keys that `known` does not list, and neutral ones at other values.
[[nodiscard]] Result<void> check_keys(const ModelFile& file, std::string_view prefix, std::span<const KnownKey> known);

/// A value for an error message, on one line: numbers in the C locale, texts in quotation marks, lists to the eighth
/// element.
[[nodiscard]] std::string shown_value(const MetaValue& value);

/// "--ignore-key K (LoadOptions::ignore_keys) runs it …": how to go on in spite of some keys.
[[nodiscard]] std::string how_to_ignore(std::span<const std::string> keys);

}  // namespace troupe
