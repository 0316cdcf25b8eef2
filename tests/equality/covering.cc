#include "tests/equality/covering.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <set>

namespace troupe::testing {
namespace {

/// Factor and value, twice.
using Pair = std::array<std::size_t, 4>;

constexpr std::size_t no_value = SIZE_MAX;  ///< of a row that grows
constexpr int rows_tried = 20;

Pair pair_of(std::size_t a, std::size_t a_value, std::size_t b, std::size_t b_value) {
  return a < b ? Pair{a, a_value, b, b_value} : Pair{b, b_value, a, a_value};
}

std::set<Pair> all_pairs(const std::vector<std::size_t>& values) {
  std::set<Pair> pairs;
  for (std::size_t a = 0; a < values.size(); ++a) {
    for (std::size_t b = a + 1; b < values.size(); ++b) {
      for (std::size_t i = 0; i < values[a] * values[b]; ++i) pairs.insert({a, i % values[a], b, i / values[a]});
    }
  }
  return pairs;
}

/// Of the pairs, those that a row would get with this value.
std::size_t gain(const std::set<Pair>& pairs, const Row& row, std::size_t factor, std::size_t value) {
  std::size_t count = 0;
  for (std::size_t other = 0; other < row.size(); ++other) {
    if (other == factor || row[other] == no_value) continue;
    count += pairs.contains(pair_of(factor, value, other, row[other])) ? 1 : 0;
  }
  return count;
}

std::vector<std::size_t> shuffled(std::size_t count, std::mt19937_64& random) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), random);
  return order;
}

/// A row with one of the pairs, whose other factors get, one after the other, the value that brings the most pairs;
/// chance decides between equals. Returns how many pairs it has.
std::size_t grow(Row& row, const std::set<Pair>& pairs, const std::vector<std::size_t>& values,
                 std::mt19937_64& random) {
  const auto [a, a_value, b, b_value] = *std::next(pairs.begin(), static_cast<std::ptrdiff_t>(random() % pairs.size()));
  row.assign(values.size(), no_value);
  row[a] = a_value;
  row[b] = b_value;
  std::size_t count = 1;
  for (const std::size_t factor : shuffled(values.size(), random)) {
    if (row[factor] != no_value) continue;
    const auto order = shuffled(values[factor], random);
    row[factor] = *std::max_element(order.begin(), order.end(), [&](std::size_t x, std::size_t y) {
      return gain(pairs, row, factor, x) < gain(pairs, row, factor, y);
    });
    count += gain(pairs, row, factor, row[factor]);
  }
  return count;
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
    const std::vector<std::size_t> order = shuffled(count, random);
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i].push_back(order[i % count]);
  }
  return rows;
}

// Greedy, as Cohen et al., AETG (IEEE Trans. Software Eng. 23(7), 1997): the best of some rows is next.
std::vector<Row> covering_array(const std::vector<std::size_t>& values, std::mt19937_64& random) {
  std::set<Pair> missing = all_pairs(values);
  std::vector<Row> chosen;
  while (!missing.empty()) {
    Row best, row;
    std::size_t most = 0;
    for (int i = 0; i < rows_tried; ++i) {
      const std::size_t count = grow(row, missing, values, random);
      if (count <= most) continue;
      most = count;
      best = row;
    }
    for (std::size_t a = 0; a < best.size(); ++a) {
      for (std::size_t b = a + 1; b < best.size(); ++b) missing.erase(pair_of(a, best[a], b, best[b]));
    }
    chosen.push_back(std::move(best));
  }
  return chosen;
}

}  // namespace troupe::testing
