#pragma once

#include <cstddef>

/// The softmax statistics that attention and log_sum_exp share, and the order in which they are summed and merged.
namespace troupe::kernels::reference {

inline constexpr std::size_t lane_count = 16;

/// Lane i + lane i+8, then +4, +2, +1. Overwrites the lanes.
[[nodiscard]] float sum_lanes(float (&lanes)[lane_count]);

/// The maximum m of some numbers x, and l, the sum of exp(x - m).
struct Softmax {
  float m, l;
  [[nodiscard]] bool empty() const { return l == 0.0F; }
};

/// Of x[0..n), whose elements become exp(x - m). Minus infinity stands for an element that is masked: its exponential
/// is 0, and where all are masked m is minus infinity and l is 0. A NaN makes l NaN.
[[nodiscard]] Softmax softmax(float* x, std::size_t n);

/// The maximum of two nodes, and what makes their sums relative to it. Precondition: neither node is empty.
struct Rescale {
  float m, earlier, later;
};
[[nodiscard]] Rescale rescale(const Softmax& earlier, const Softmax& later);

/// l = fma(l1, s1, l2 * s2); an empty node leaves the other as it is.
[[nodiscard]] Softmax merge(const Softmax& earlier, const Softmax& later);

}  // namespace troupe::kernels::reference
