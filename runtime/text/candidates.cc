#include "runtime/text/candidates.hpp"

#include <algorithm>

#include "kernels/math.hpp"

namespace troupe {
namespace {

struct Place {
  std::size_t index;
  double passed;  ///< of the index's own weight, in [0, 1)
};

/// Where a fraction of all weights, in [0, 1), has been passed. Never at a weight of zero unless all are.
Place place_of(std::span<const float> weights, double fraction) {
  double left = fraction * sum_of(weights);
  std::size_t last = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (left < weights[i]) return {i, left / weights[i]};
    left -= weights[i];
    if (weights[i] > 0.0F) last = i;
  }
  return {last, 1.0 - 0x1p-53};  // rounding has led past the end
}

}  // namespace

Candidates candidates_of(std::span<const float> logits, float temperature, const kernels::KernelTable& kernels,
                         SamplingRoom& room) {
  const float largest = logits[kernels.argmax(logits.data(), logits.size())];
  std::vector<float>& x = room.chances;
  x.resize(logits.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float below = logits[i] < largest ? (logits[i] - largest) / temperature : no_chance;
    x[i] = logits[i] == largest ? 0.0F : below;
  }
  return {logits, room, kernels};
}

void scale(const Candidates& candidates, float temperature) {
  for (float& chance : candidates.chances()) chance /= temperature;
}

void centre(const Candidates& candidates) {
  std::vector<float>& x = candidates.chances();
  const float largest = x[candidates.likeliest()];
  if (largest == 0.0F) return;
  for (float& chance : x) chance -= largest;
}

std::span<const float> weigh_segments(const Candidates& candidates) {
  const std::vector<float>& x = candidates.chances();
  std::vector<float>& segments = candidates.room.segments;
  segments.clear();
  for (std::size_t first = 0; first < x.size(); first += kernels::softmax_segment) {
    const std::size_t count = std::min(kernels::softmax_segment, x.size() - first);
    segments.push_back(kernels::exp_f32(candidates.kernels.log_sum_exp(x.data() + first, count)));
  }
  return segments;
}

double sum_of(std::span<const float> weights) {
  double sum = 0.0;
  for (const float weight : weights) sum += weight;
  return sum;
}

TokenId draw(const Candidates& candidates, double fraction) {
  const std::vector<float>& x = candidates.chances();
  std::vector<float>& weights = candidates.room.weights;
  const Place segment = place_of(weigh_segments(candidates), fraction);
  const std::size_t first = segment.index * kernels::softmax_segment;
  weights.clear();
  for (std::size_t i = first; i < std::min(first + kernels::softmax_segment, x.size()); ++i) {
    weights.push_back(kernels::exp_f32(x[i]));
  }
  return static_cast<TokenId>(first + place_of(weights, segment.passed).index);
}

}  // namespace troupe
