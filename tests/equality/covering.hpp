#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <vector>

namespace troupe::testing {

/// One value of each factor, by number; while it grows, or as a question, some may stand open.
using Row = std::vector<std::size_t>;
inline constexpr std::size_t open_value = SIZE_MAX;

/// Whether there is such a row, whatever values those may have that stand open.
using Possible = std::function<bool(const Row&)>;
[[nodiscard]] inline bool always(const Row&) { return true; }

/// Every combination of factors with so many values each.
[[nodiscard]] std::vector<Row> full_product(const std::vector<std::size_t>& values);

/// About as few rows as hold every value of every factor; which values go together is drawn.
[[nodiscard]] std::vector<Row> every_value(const std::vector<std::size_t>& values, std::mt19937_64& random,
                                           const Possible& possible = always);

/// Few rows in which any two values of any two factors meet that can; another selection for another seed.
[[nodiscard]] std::vector<Row> covering_array(const std::vector<std::size_t>& values, std::mt19937_64& random,
                                              const Possible& possible = always);

}  // namespace troupe::testing
