#pragma once

#include <cstddef>
#include <random>
#include <vector>

namespace troupe::testing {

/// One value of each factor, by number.
using Row = std::vector<std::size_t>;

/// Every combination of factors with so many values each.
[[nodiscard]] std::vector<Row> full_product(const std::vector<std::size_t>& values);

/// As few rows as hold every value of every factor; which values go together is drawn.
[[nodiscard]] std::vector<Row> every_value(const std::vector<std::size_t>& values, std::mt19937_64& random);

/// Few rows in which any two values of any two factors meet; another selection for another seed.
[[nodiscard]] std::vector<Row> covering_array(const std::vector<std::size_t>& values, std::mt19937_64& random);

}  // namespace troupe::testing
