#pragma once

#include <cstdint>

#include "runtime/text/template/budget.hpp"
#include "runtime/text/template/value.hpp"

namespace troupe::jinja {

// Python's methods of str. All keep who wrote what.

enum class Ends : std::uint8_t { left = 1, right = 2, both = 3 };
/// Without the characters of `of` at the ends; null: without white space.
[[nodiscard]] Result<Value> stripped(const Text& text, const Text* of, Ends ends, Budget& budget);

/// At each separator, at most `most` times (negative: everywhere), from the left or the right; null: at white space.
[[nodiscard]] Result<Value> split(const Text& text, const Text* separator, std::int64_t most, bool from_right,
                                  Budget& budget);
[[nodiscard]] Result<Value> split_lines(const Text& text, Budget& budget);

/// With `fresh` in place of `old`, at most `most` times (negative: everywhere).
[[nodiscard]] Result<Value> replaced(const Text& text, const Text& old, const Text& fresh, std::int64_t most,
                                     Budget& budget);

[[nodiscard]] Result<Value> joined(const List& items, const Text& between, Budget& budget);

/// Character by character; `map` gets one and the one before it (0: none).
[[nodiscard]] Result<Value> mapped(const Text& text, char32_t (*map)(char32_t code, char32_t before), Budget& budget);

}  // namespace troupe::jinja
