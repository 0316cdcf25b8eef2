#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace troupe::plugins {

/// A row of numbers that change one at a time, and the place of the smallest. Nodes of 16, so that few numbers are one
/// plain scan and a million are five.
class MinTree {
 public:
  static constexpr std::int32_t none = INT32_MAX;  ///< a place that does not take part

  /// `size` places, all of them none.
  void reset(std::size_t size);

  /// Writes a place without looking at the rest; build() must follow before leftmost_min().
  void fill(std::size_t place, std::int32_t value) { values_[place] = value; }
  void build();

  void set(std::size_t place, std::int32_t value);

  /// The leftmost of the smallest numbers; the size where all are none.
  [[nodiscard]] std::size_t leftmost_min() const;

 private:
  static constexpr std::size_t width = 16;

  std::size_t size_ = 0;
  std::vector<std::int32_t> values_;  ///< the places, then the minima of every 16, then the minima of those …
  std::vector<std::size_t> levels_;   ///< where each of these begins; the last has one node
};

}  // namespace troupe::plugins
