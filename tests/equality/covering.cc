#include "tests/equality/covering.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <set>

namespace troupe::testing {
namespace {

/// Factor and value, twice.
using Pair = std::array<std::size_t, 4>;

std::vector<Pair> pairs_of(const Row& row) {
  std::vector<Pair> pairs;
  for (std::size_t a = 0; a < row.size(); ++a) {
    for (std::size_t b = a + 1; b < row.size(); ++b) pairs.push_back({a, row[a], b, row[b]});
  }
  return pairs;
}

}  // namespace

std::vector<Row> full_product(const std::vector<std::size_t>& values) {
  std::vector<Row> rows{{}};
  for (const std::size_t count : values) {
    std::vector<Row> longer;
    for (const Row& row : rows) {
      for (std::size_t value = 0; value < count; ++value) {
        longer.push_back(row);
        longer.back().push_back(value);
      }
    }
    rows = std::move(longer);
  }
  return rows;
}

std::vector<Row> every_value(const std::vector<std::size_t>& values, std::mt19937_64& random) {
  std::vector<Row> rows(*std::max_element(values.begin(), values.end()));
  for (const std::size_t count : values) {
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i].push_back(order[i % count]);
  }
  return rows;
}

// Greedy: the combination with the most new pairs is next; the shuffle decides between equals.
std::vector<Row> covering_array(const std::vector<std::size_t>& values, std::mt19937_64& random) {
  std::vector<Row> candidates = full_product(values);
  std::shuffle(candidates.begin(), candidates.end(), random);
  std::set<Pair> missing;
  for (const Row& row : candidates) {
    const auto pairs = pairs_of(row);
    missing.insert(pairs.begin(), pairs.end());
  }
  std::vector<Row> chosen;
  while (!missing.empty()) {
    const auto gain = [&](const Row& row) {
      const auto pairs = pairs_of(row);
      return std::count_if(pairs.begin(), pairs.end(), [&](const Pair& pair) { return missing.contains(pair); });
    };
    chosen.push_back(*std::max_element(candidates.begin(), candidates.end(),
                                       [&](const Row& a, const Row& b) { return gain(a) < gain(b); }));
    for (const Pair& pair : pairs_of(chosen.back())) missing.erase(pair);
  }
  return chosen;
}

}  // namespace troupe::testing
