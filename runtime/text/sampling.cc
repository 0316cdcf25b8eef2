#include "runtime/text/sampling.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/math.hpp"

namespace troupe {
namespace {

/// exp of what is further below the likeliest is zero.
constexpr float deepest = 88.0F;

/// Logits relative to the largest, over the temperature: a token's chance is in proportion to exp of it.
std::vector<float> relative(std::span<const float> logits, float largest, float temperature) {
  std::vector<float> x(logits.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float below = logits[i] < largest ? (logits[i] - largest) / temperature : -std::numeric_limits<float>::infinity();
    x[i] = logits[i] == largest ? 0.0F : below;
  }
  return x;
}

double sum_of(std::span<const float> weights) {
  double sum = 0.0;
  for (const float weight : weights) sum += weight;
  return sum;
}

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

/// The weight of each segment of the vocabulary.
std::vector<float> segments_of(std::span<const float> x, const kernels::KernelTable& kernels) {
  std::vector<float> weights;
  for (std::size_t first = 0; first < x.size(); first += kernels::softmax_segment) {
    const std::size_t count = std::min(kernels::softmax_segment, x.size() - first);
    weights.push_back(kernels::exp_f32(kernels.log_sum_exp(x.data() + first, count)));
  }
  return weights;
}

/// Among all ids: first a segment, then an id of it.
TokenId draw(std::span<const float> x, double fraction, const kernels::KernelTable& kernels) {
  const Place segment = place_of(segments_of(x, kernels), fraction);
  const std::size_t first = segment.index * kernels::softmax_segment;
  std::vector<float> weights;
  for (std::size_t i = first; i < std::min(first + kernels::softmax_segment, x.size()); ++i) {
    weights.push_back(kernels::exp_f32(x[i]));
  }
  return static_cast<TokenId>(first + place_of(weights, segment.passed).index);
}

/// Ids in no order: all that are at least as likely as any of them, and enough of them, or all that have a chance.
template <class Enough>
std::vector<TokenId> likeliest(std::span<const float> x, const Enough& enough) {
  std::vector<TokenId> ids;
  for (float depth = 1.0F;; depth *= 2) {
    ids.clear();
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (x[i] >= -depth) ids.push_back(static_cast<TokenId>(i));
    }
    if (depth > deepest || enough(ids)) return ids;
  }
}

std::vector<float> weights_of(std::span<const float> x, std::span<const TokenId> ids) {
  std::vector<float> weights;
  for (const TokenId id : ids) weights.push_back(kernels::exp_f32(x[id]));
  return weights;
}

/// The ids among which top_k and top_p leave the choice, the likeliest first.
std::vector<TokenId> nucleus(std::span<const float> x, std::size_t top_k, double top_p, const kernels::KernelTable& kernels) {
  const auto before = [&](TokenId a, TokenId b) { return x[a] != x[b] ? x[a] > x[b] : a < b; };
  const bool all = top_k == 0 || top_k >= x.size();
  double total = all ? sum_of(segments_of(x, kernels)) : 0.0;
  std::vector<TokenId> ids = likeliest(x, [&](const std::vector<TokenId>& found) {
    return all ? sum_of(weights_of(x, found)) >= top_p * total : found.size() >= top_k;
  });
  if (!all && top_k < ids.size()) {
    std::nth_element(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(top_k), ids.end(), before);
    ids.resize(top_k);
  }
  std::sort(ids.begin(), ids.end(), before);
  if (top_p >= 1.0) return ids;
  const std::vector<float> weights = weights_of(x, ids);
  if (!all) total = sum_of(weights);
  std::size_t count = 0;
  for (double reached = 0.0; count < ids.size() && reached < top_p * total;) reached += weights[count++];
  ids.resize(count);
  return ids;
}

}  // namespace

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::uint64_t key) {
  auto key0 = static_cast<std::uint32_t>(key), key1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key0, static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key1, static_cast<std::uint32_t>(a)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

float uniform(std::uint64_t seed, std::uint32_t position, std::uint32_t choice) {
  return static_cast<float>(philox({position, choice, 0, 0}, seed)[0] >> 8) * 0x1p-24F;
}

TokenId sample(std::span<const float> logits, const Sampling& sampling, std::uint32_t position,
               const kernels::KernelTable& kernels) {
  const std::size_t best = kernels.argmax(logits.data(), logits.size());
  if (!(sampling.temperature > 0.0F)) return static_cast<TokenId>(best);
  const std::vector<float> x = relative(logits, logits[best], sampling.temperature);
  const double fraction = uniform(sampling.seed, position, 0);
  if (sampling.top_k == 0 && sampling.top_p >= 1.0F) return draw(x, fraction, kernels);
  const std::vector<TokenId> ids = nucleus(x, sampling.top_k, sampling.top_p, kernels);
  if (ids.empty()) return static_cast<TokenId>(best);
  return ids[place_of(weights_of(x, ids), fraction).index];
}

}  // namespace troupe
