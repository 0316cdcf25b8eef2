#include "kernels/reference/softmax.hpp"

#include <cmath>
#include <limits>

#include "kernels/math.hpp"
#include "kernels/reference/kernels.hpp"

namespace troupe::kernels::reference {
namespace {

constexpr float minus_infinity = -std::numeric_limits<float>::infinity();

// b where they are equal or a is NaN.
float larger(float a, float b) { return a > b ? a : b; }

float largest(const float* x, std::size_t n) {
  float lanes[lane_count];
  for (float& lane : lanes) lane = minus_infinity;
  for (std::size_t i = 0; i < n; ++i) lanes[i % lane_count] = larger(x[i], lanes[i % lane_count]);
  for (std::size_t half = lane_count / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) lanes[i] = larger(lanes[i], lanes[i + half]);
  }
  return lanes[0];
}

// The tree over `segments` segments (a power of two), cut off at n elements.
Softmax segment_tree(const float* x, std::size_t n, std::size_t segments) {
  if (segments > 1) {
    const std::size_t half = segments / 2 * softmax_segment;
    if (n <= half) return segment_tree(x, n, segments / 2);
    return merge(segment_tree(x, half, segments / 2), segment_tree(x + half, n - half, segments / 2));
  }
  float copy[softmax_segment];
  for (std::size_t i = 0; i < n; ++i) copy[i] = x[i];
  return softmax(copy, n);
}

}  // namespace

float sum_lanes(float (&lanes)[lane_count]) {
  for (std::size_t half = lane_count / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

Softmax softmax(float* x, std::size_t n) {
  const float m = largest(x, n);
  const float origin = m == minus_infinity ? 0.0F : m;
  float lanes[lane_count] = {};
  for (std::size_t i = 0; i < n; ++i) {
    x[i] = exp_f32(x[i] - origin);
    lanes[i % lane_count] += x[i];
  }
  return {m, sum_lanes(lanes)};
}

Rescale rescale(const Softmax& earlier, const Softmax& later) {
  const float m = larger(earlier.m, later.m);
  return {m, exp_f32(earlier.m - m), exp_f32(later.m - m)};
}

Softmax merge(const Softmax& earlier, const Softmax& later) {
  if (later.empty()) return earlier;
  if (earlier.empty()) return later;
  const Rescale by = rescale(earlier, later);
  return {by.m, std::fma(earlier.l, by.earlier, later.l * by.later)};
}

float log_sum_exp(const float* x, std::size_t n) {
  std::size_t segments = 1;
  while (segments * softmax_segment < n) segments *= 2;
  const Softmax all = segment_tree(x, n, segments);
  return all.m + static_cast<float>(log_f64(static_cast<double>(all.l)));
}

}  // namespace troupe::kernels::reference
