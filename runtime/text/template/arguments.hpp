#pragma once

#include <cstdint>
#include <string>

#include "runtime/text/template/functions.hpp"

namespace troupe::jinja {

/// A subject that a function wants of one kind: "split wants a text, not a list".
[[nodiscard]] inline Error wrong_subject(const Call& call, std::string_view wanted) {
  return {Code::failed, std::string(call.function.name) + " wants " + std::string(wanted) + ", not " +
                            std::string(kind_of(call.subject))};
}

/// A whole number that is given for a parameter; the fallback where none is, or none of Python's `None`.
[[nodiscard]] inline Result<std::int64_t> whole_argument(const Call& call, std::size_t parameter,
                                                         std::int64_t fallback) {
  const Value* value = call.argument(parameter);
  if (value == nullptr || std::holds_alternative<None>(*value)) return fallback;
  if (const auto* number = std::get_if<std::int64_t>(value)) return *number;
  return Error(Code::failed, std::string(call.function.name) + " wants a whole number for its argument " +
                                 std::to_string(parameter + 1) + ", not " + std::string(kind_of(*value)));
}

/// A text that is given for a parameter; null where none is, or Python's `None`.
[[nodiscard]] inline Result<const Text*> text_argument(const Call& call, std::size_t parameter) {
  const Value* value = call.argument(parameter);
  if (value == nullptr || std::holds_alternative<None>(*value)) return static_cast<const Text*>(nullptr);
  if (const Text* text = as<Text>(*value)) return text;
  return Error(Code::failed, std::string(call.function.name) + " wants a text for its argument " +
                                 std::to_string(parameter + 1) + ", not " + std::string(kind_of(*value)));
}

/// The same where there must be one.
[[nodiscard]] inline Result<const Text*> needed_text(const Call& call, std::size_t parameter) {
  auto text = text_argument(call, parameter);
  if (!text || *text != nullptr) return text;
  return Error(Code::failed, std::string(call.function.name) + " wants a text for its argument " +
                                 std::to_string(parameter + 1) + ", and is given none");
}

}  // namespace troupe::jinja
