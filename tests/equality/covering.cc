#include "tests/equality/covering.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <set>

namespace troupe::testing {
namespace {

/// Factor and value, twice.
using Pair = std::array<std::size_t, 4>;

constexpr int rows_tried = 20;

Pair pair_of(std::size_t a, std::size_t a_value, std::size_t b, std::size_t b_value) {
  return a < b ? Pair{a, a_value, b, b_value} : Pair{b, b_value, a, a_value};
}

/// Those that can meet.
std::set<Pair> all_pairs(const std::vector<std::size_t>& values, const Possible& possible) {
  std::set<Pair> pairs;
  for (std::size_t a = 0; a < values.size(); ++a) {
    for (std::size_t b = a + 1; b < values.size(); ++b) {
      for (std::size_t i = 0; i < values[a] * values[b]; ++i) {
        Row row(values.size(), open_value);
        row[a] = i % values[a];
        row[b] = i / values[a];
        if (possible(row)) pairs.insert({a, row[a], b, row[b]});
      }
    }
  }
  return pairs;
}

/// Of the pairs, those that a row would get with this value.
std::size_t gain(const std::set<Pair>& pairs, const Row& row, std::size_t factor, std::size_t value) {
  std::size_t count = 0;
  for (std::size_t other = 0; other < row.size(); ++other) {
    if (other == factor || row[other] == open_value) continue;
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

/// The values of a factor, in a drawn order, with which a row that it stands open in is possible.
std::vector<std::size_t> possible_values(Row row, std::size_t factor, std::size_t values, std::mt19937_64& random,
                                         const Possible& possible) {
  std::vector<std::size_t> order = shuffled(values, random);
  std::erase_if(order, [&](std::size_t value) {
    row[factor] = value;
    return !possible(row);
  });
  return order;
}

/// A row with one of the pairs, whose other factors get, one after the other, the value that brings the most pairs;
/// chance decides between equals. Returns how many pairs it has.
std::size_t grow(Row& row, const std::set<Pair>& pairs, const std::vector<std::size_t>& values, std::mt19937_64& random,
                 const Possible& possible) {
  const auto [a, a_value, b, b_value] = *std::next(pairs.begin(), static_cast<std::ptrdiff_t>(random() % pairs.size()));
  row.assign(values.size(), open_value);
  row[a] = a_value;
  row[b] = b_value;
  std::size_t count = 1;
  for (const std::size_t factor : shuffled(values.size(), random)) {
    if (row[factor] != open_value) continue;
    const auto order = possible_values(row, factor, values[factor], random, possible);
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

std::vector<Row> every_value(const std::vector<std::size_t>& values, std::mt19937_64& random,
                             const Possible& possible) {
  std::set<std::pair<std::size_t, std::size_t>> missing;  // factor and value
  for (std::size_t factor = 0; factor < values.size(); ++factor) {
    for (std::size_t value = 0; value < values[factor]; ++value) missing.insert({factor, value});
  }
  std::vector<Row> rows;
  while (!missing.empty()) {
    Row row(values.size(), open_value);
    row[missing.begin()->first] = missing.begin()->second;  // so that each row holds one at least
    for (const std::size_t factor : shuffled(values.size(), random)) {
      if (row[factor] != open_value) continue;
      const auto order = possible_values(row, factor, values[factor], random, possible);
      const auto wanted = std::ranges::find_if(order, [&](auto value) { return missing.contains({factor, value}); });
      row[factor] = wanted == order.end() ? order[0] : *wanted;
    }
    for (std::size_t factor = 0; factor < row.size(); ++factor) missing.erase({factor, row[factor]});
    rows.push_back(std::move(row));
  }
  return rows;
}

// Greedy, as Cohen et al., AETG (IEEE Trans. Software Eng. 23(7), 1997): the best of some rows is next.
std::vector<Row> covering_array(const std::vector<std::size_t>& values, std::mt19937_64& random,
                                const Possible& possible) {
  std::set<Pair> missing = all_pairs(values, possible);
  std::vector<Row> chosen;
  while (!missing.empty()) {
    Row best, row;
    std::size_t most = 0;
    for (int i = 0; i < rows_tried; ++i) {
      const std::size_t count = grow(row, missing, values, random, possible);
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
