#include "runtime/text/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/math.hpp"
#include "runtime/text/random.hpp"

namespace troupe {
namespace {

constexpr float no_chance = -std::numeric_limits<float>::infinity();

/// exp of what is further below the likeliest is zero.
constexpr float deepest = 88.0F;

/// Logits relative to the largest, over the temperature: a token's chance is in proportion to exp of it.
void relative(std::span<const float> logits, float largest, float temperature, std::vector<float>& x) {
  x.resize(logits.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float below = logits[i] < largest ? (logits[i] - largest) / temperature : no_chance;
    x[i] = logits[i] == largest ? 0.0F : below;
  }
}

double sum_of(std::span<const float> weights) {
  double sum = 0.0;
  for (const float weight : weights) sum += weight;
  return sum;
}

constexpr std::size_t segments_in(std::size_t vocabulary) {
  return (vocabulary + kernels::softmax_segment - 1) / kernels::softmax_segment;
}

/// The weight of each segment of the vocabulary.
std::span<const float> segments_of(SamplingRoom& room, const kernels::KernelTable& kernels) {
  const std::vector<float>& x = room.chances;
  room.segments.clear();
  for (std::size_t first = 0; first < x.size(); first += kernels::softmax_segment) {
    const std::size_t count = std::min(kernels::softmax_segment, x.size() - first);
    room.segments.push_back(kernels::exp_f32(kernels.log_sum_exp(x.data() + first, count)));
  }
  return room.segments;
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

/// First a segment, then an id of it.
TokenId draw(double fraction, const kernels::KernelTable& kernels, SamplingRoom& room) {
  const std::vector<float>& x = room.chances;
  const Place segment = place_of(segments_of(room, kernels), fraction);
  const std::size_t first = segment.index * kernels::softmax_segment;
  room.weights.clear();
  for (std::size_t i = first; i < std::min(first + kernels::softmax_segment, x.size()); ++i) {
    room.weights.push_back(kernels::exp_f32(x[i]));
  }
  return static_cast<TokenId>(first + place_of(room.weights, segment.passed).index);
}

/// The order of likelihood; of equals the lowest id comes first. By the logits themselves: scaling may round two to
/// one.
auto likelier(std::span<const float> logits) {
  return [=](TokenId a, TokenId b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; };
}

/// Leaves a chance to `last` and the ids that are likelier.
void cut_after(TokenId last, std::span<const float> logits, std::vector<float>& x) {
  const float least = logits[last];
  const auto beyond = static_cast<std::size_t>(last) + 1;
  for (std::size_t i = 0; i < beyond; ++i) x[i] = logits[i] >= least ? x[i] : no_chance;
  for (std::size_t i = beyond; i < x.size(); ++i) x[i] = logits[i] > least ? x[i] : no_chance;
}

/// The likeliest ids in no order: enough of them, or all that have a chance.
template <class Enough>
std::vector<TokenId>& likeliest(SamplingRoom& room, const Enough& enough) {
  const std::vector<float>& x = room.chances;
  for (float depth = 1.0F;; depth *= 2) {
    room.ids.clear();
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (x[i] >= -depth) room.ids.push_back(static_cast<TokenId>(i));
    }
    if (depth > deepest || enough(room.ids)) return room.ids;
  }
}

void keep_count(std::size_t count, std::span<const float> logits, SamplingRoom& room) {
  std::vector<TokenId>& ids = likeliest(room, [&](const auto& found) { return found.size() >= count; });
  if (ids.size() < count) return;
  const auto last = ids.begin() + static_cast<std::ptrdiff_t>(count) - 1;
  std::nth_element(ids.begin(), last, ids.end(), likelier(logits));
  cut_after(*last, logits, room.chances);
}

/// Halves what may hold the last id that is needed until it is found.
void keep_mass(double share, std::span<const float> logits, const kernels::KernelTable& kernels, SamplingRoom& room) {
  std::vector<float>& x = room.chances;
  const auto mass = [&](auto from, auto to) {
    double sum = 0.0;
    for (; from != to; ++from) sum += kernels::exp_f32(x[*from]);
    return sum;
  };
  double wanted = share * sum_of(segments_of(room, kernels));
  std::vector<TokenId>& ids =
      likeliest(room, [&](const auto& found) { return mass(found.begin(), found.end()) >= wanted; });
  if (ids.empty()) return;
  auto first = ids.begin(), last = ids.end();
  while (last - first > 1) {
    const auto middle = first + (last - first) / 2;
    std::nth_element(first, middle, last, likelier(logits));
    const double upper = mass(first, middle);
    (upper < wanted ? first : last) = middle;
    if (first == middle) wanted -= upper;
  }
  cut_after(*first, logits, x);
}

}  // namespace

const char* fault_of(std::span<const float> logits) {
  const std::size_t half = logits.size() / 2;
  const float *first = logits.data(), *second = first + half;
  std::uint32_t no_number = static_cast<std::uint32_t>(std::isnan(logits.back()));
  // Two at a time and without a branch, so that the compiler makes vectors of them.
  for (std::size_t i = 0; i < half; ++i) {
    no_number |= static_cast<std::uint32_t>(std::isunordered(first[i], second[i]));
  }
  if (no_number != 0) return "a logit is not a number";
  const bool possible = std::any_of(logits.begin(), logits.end(), [](float logit) { return logit > no_chance; });
  return possible ? nullptr : "no token is left, every logit is minus infinity";
}

SamplingRoom::SamplingRoom(std::size_t vocabulary) {
  chances.reserve(vocabulary);
  segments.reserve(segments_in(vocabulary));
  weights.reserve(std::min(vocabulary, kernels::softmax_segment));
  ids.reserve(vocabulary);
}

std::size_t SamplingRoom::bytes(std::size_t vocabulary) {
  const std::size_t floats = vocabulary + segments_in(vocabulary) + std::min(vocabulary, kernels::softmax_segment);
  return floats * sizeof(float) + vocabulary * sizeof(TokenId);
}

TokenId sample(std::span<const float> logits, const Sampling& sampling, std::uint32_t position,
               const kernels::KernelTable& kernels, SamplingRoom& room) {
  const std::size_t best = kernels.argmax(logits.data(), logits.size());
  if (!(sampling.temperature > 0.0F)) return static_cast<TokenId>(best);
  relative(logits, logits[best], sampling.temperature, room.chances);
  if (sampling.top_k > 0) keep_count(sampling.top_k, logits, room);
  if (sampling.top_p < 1.0F) keep_mass(sampling.top_p, logits, kernels, room);
  return draw(uniform(sampling.seed, position, 0), kernels, room);
}

std::vector<TokenLogprob> logprobs(std::span<const float> logits, TokenId chosen, std::uint32_t count,
                                   const kernels::KernelTable& kernels, SamplingRoom& room) {
  std::vector<float>& x = room.chances;
  std::vector<TokenId>& ids = room.ids;
  relative(logits, logits[kernels.argmax(logits.data(), logits.size())], 1.0F, x);
  const float whole = kernels.log_sum_exp(x.data(), x.size());
  ids.resize(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto last = ids.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(count, ids.size()));
  std::partial_sort(ids.begin(), last, ids.end(), likelier(logits));
  std::vector<TokenLogprob> result{{chosen, x[chosen] - whole}};
  for (auto id = ids.begin(); id != last && x[*id] > no_chance; ++id) result.push_back({*id, x[*id] - whole});
  return result;
}

}  // namespace troupe
