#pragma once

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "runtime/text/template/json.hpp"

namespace troupe::testing {

/// features.json: messages, and templates with what Jinja2 makes of them. The source is where TROUPE_SOURCE says, or
/// here. Throws Error where it is not.
inline jinja::Value features() {
  const char* source = std::getenv("TROUPE_SOURCE");
  std::ifstream file(std::string(source == nullptr ? "." : source) + "/tests/templates/features.json");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return jinja::parse_json(text).value();
}

inline const jinja::Text* text_of(const jinja::Dict& dict, std::string_view key) {
  const jinja::Value* value = dict.find(key);
  return value == nullptr ? nullptr : jinja::as<jinja::Text>(*value);
}

/// The messages of features.json, as JSON.
inline std::string messages_of(const jinja::Value& features) {
  jinja::Budget budget(1 << 20, 1 << 20);
  const auto json = jinja::to_json(*jinja::as<jinja::Dict>(features)->find("messages"), {}, budget).value();
  return jinja::as<jinja::Text>(json)->bytes();
}

}  // namespace troupe::testing
