#pragma once

#include <cstdint>
#include <optional>

#include "runtime/text/template/budget.hpp"
#include "runtime/text/template/value.hpp"

namespace troupe::jinja {

// Python's operators. Errors say which kinds of values do not go together.

enum class Arithmetic : std::uint8_t { add, subtract, multiply, divide, floor_divide, remainder, power };

[[nodiscard]] Result<Value> calculate(Arithmetic op, const Value& left, const Value& right, Budget& budget);
[[nodiscard]] Result<Value> negated(const Value& value);

/// A number or truth as one type, wide enough for every whole number and every double; nothing of whatever else.
[[nodiscard]] std::optional<long double> number_of(const Value& value);

/// What both are as numbers, or as texts; lists and whatever else are unequal.
[[nodiscard]] bool equal_scalars(const Value& left, const Value& right);
[[nodiscard]] Result<bool> equal(const Value& left, const Value& right, Budget& budget);

/// Below, at or above 0.
[[nodiscard]] Result<int> order(const Value& left, const Value& right, Budget& budget);

/// `item in container`.
[[nodiscard]] Result<bool> contains(const Value& container, const Value& item, Budget& budget);

/// The value under a key; null where there is none.
[[nodiscard]] Result<const Value*> look_up(const Dict& dict, const Value& key, Budget& budget);

/// len(value).
[[nodiscard]] Result<std::int64_t> length(const Value& value, Budget& budget);

/// What `for` goes through: the elements of a list, the keys of a dict, the characters of a text.
[[nodiscard]] Result<ListRef> elements(const Value& value, Budget& budget);

/// value[key]; undefined where there is no such thing.
[[nodiscard]] Result<Value> element(const Value& value, const Value& key, Budget& budget);

/// value[start:stop:step]; undefined or none where one is not given.
struct Slicing {
  Value start, stop, step;
};
[[nodiscard]] Result<Value> slice(const Value& value, const Slicing& bounds, Budget& budget);

}  // namespace troupe::jinja
