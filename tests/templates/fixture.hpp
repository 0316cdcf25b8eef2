#pragma once

#include <ctime>
#include <string>
#include <string_view>

#include "runtime/text/template/chat_template.hpp"

namespace troupe::testing {

inline constexpr std::string_view two_messages =
    R"([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}])";

/// Saturday, 31 January 2026, at midnight.
inline std::tm saturday() {
  std::tm day{};
  day.tm_year = 126;
  day.tm_mday = 31;
  day.tm_wday = 6;
  day.tm_yday = 30;
  return day;
}

inline Result<std::vector<TextPart>> parts(std::string_view text, std::string_view messages = two_messages,
                                           std::string_view tools = {}) {
  const auto parsed = ChatTemplate::parse(text);
  if (!parsed) return parsed.error();
  return parsed->render({messages, tools, true, "<s>", "</s>", saturday()});
}

inline Result<std::string> rendered(std::string_view text, std::string_view messages = two_messages,
                                    std::string_view tools = {}) {
  const auto made = parts(text, messages, tools);
  if (!made) return made.error();
  return joined(*made);
}

/// What is said of a template that fails; empty where it does not.
inline std::string complaint(std::string_view text, std::string_view messages = two_messages,
                             std::string_view tools = {}) {
  const auto made = rendered(text, messages, tools);
  return made ? std::string() : made.error().message();
}

}  // namespace troupe::testing
