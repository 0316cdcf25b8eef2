#pragma once

#include <functional>
#include <string>

namespace troupe {

/// "a, b, c": what `name` gives for each, for a list in a sentence.
template <class All, class Name = std::identity>
[[nodiscard]] std::string joined(const All& all, Name name = {}) {
  std::string text;
  for (const auto& each : all) {
    if (!text.empty()) text += ", ";
    text += std::invoke(name, each);
  }
  return text;
}

}  // namespace troupe
