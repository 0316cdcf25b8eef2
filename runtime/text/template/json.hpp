#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/text/template/budget.hpp"
#include "runtime/text/template/value.hpp"

namespace troupe::jinja {

/// Reads JSON (RFC 8259) as Python's json.loads does, NaN and Infinity included. Of two equal keys the last value
/// counts. Whole numbers beyond 64 bits become floating. Its texts are the conversation's. Errors say the line and
/// column; too long, too many values, or nested deeper than `deepest_value` is an error.
[[nodiscard]] Result<Value> parse_json(std::string_view text);

/// How json.dumps writes.
struct JsonStyle {
  std::optional<std::string> indent{};  ///< what stands before each line, once for each level; none: all on one line
  std::string between = ", ";           ///< elements; where there are lines, without the space
  std::string after_key = ": ";
  bool ascii = false;  ///< whether everything else is escaped
  bool sort_keys = false;
};
[[nodiscard]] Result<Value> to_json(const Value& value, const JsonStyle& style, Budget& budget);

}  // namespace troupe::jinja
