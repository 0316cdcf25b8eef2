#include "plugins/tokenizers/min_tree.hpp"

#include <algorithm>

namespace troupe::plugins {
namespace {

std::int32_t min_of_16(const std::int32_t* values) {
  std::int32_t least = values[0];
  for (std::size_t i = 1; i < 16; ++i) least = std::min(least, values[i]);
  return least;
}

}  // namespace

void MinTree::reset(std::size_t size) {
  size_ = size;
  levels_.clear();
  std::size_t total = 0;
  for (std::size_t count = size;;) {
    levels_.push_back(total);
    const std::size_t nodes = (count + width - 1) / width;
    total += nodes * width;
    if (nodes <= 1) break;
    count = nodes;
  }
  values_.assign(total, none);
}

void MinTree::build() {
  for (std::size_t level = 0; level + 1 < levels_.size(); ++level) {
    const std::int32_t* const below = values_.data() + levels_[level];
    std::int32_t* const above = values_.data() + levels_[level + 1];
    const std::size_t nodes = (levels_[level + 1] - levels_[level]) / width;
    for (std::size_t i = 0; i < nodes; ++i) above[i] = min_of_16(below + i * width);
  }
}

void MinTree::set(std::size_t place, std::int32_t value) {
  values_[place] = value;
  for (std::size_t level = 0; level + 1 < levels_.size(); ++level) {
    place /= width;
    const std::int32_t least = min_of_16(values_.data() + levels_[level] + place * width);
    std::int32_t& above = values_[levels_[level + 1] + place];
    if (above == least) return;
    above = least;
  }
}

std::size_t MinTree::leftmost_min() const {
  if (size_ == 0) return 0;
  const std::int32_t least = min_of_16(values_.data() + levels_.back());
  if (least == none) return size_;
  std::size_t place = 0;
  for (std::size_t level = levels_.size(); level-- > 0;) {
    const std::int32_t* const node = values_.data() + levels_[level] + place * width;
    std::size_t i = 0;
    while (node[i] != least) ++i;
    place = place * width + i;
  }
  return place;
}

}  // namespace troupe::plugins
