#include "runtime/text/sampling.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "kernels/math.hpp"

namespace troupe {
namespace {

using Words = std::array<std::uint32_t, 4>;

Words philox(Words counter, std::uint32_t key0, std::uint32_t key1) {
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

/// Ids by falling logit, the lowest first of equals; only the first `count` of them are in order.
std::vector<TokenId> likeliest(std::span<const float> logits, std::size_t count) {
  std::vector<TokenId> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto before = [&](TokenId a, TokenId b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; };
  const auto middle = ids.begin() + static_cast<std::ptrdiff_t>(count);
  if (count < ids.size()) std::nth_element(ids.begin(), middle, ids.end(), before);
  std::sort(ids.begin(), middle, before);
  ids.resize(count);
  return ids;
}

}  // namespace

float uniform(std::uint64_t seed, std::uint32_t position, std::uint32_t choice) {
  const Words words = philox({position, choice, 0, 0}, static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
  return static_cast<float>(words[0] >> 8) * 0x1p-24F;
}

TokenId sample(std::span<const float> logits, const Sampling& sampling, std::uint32_t position,
               const kernels::KernelTable& kernels) {
  if (sampling.temperature <= 0.0F) return static_cast<TokenId>(kernels.argmax(logits.data(), logits.size()));
  const std::size_t kept = sampling.top_k == 0 ? logits.size() : std::min<std::size_t>(sampling.top_k, logits.size());
  const std::vector<TokenId> ids = likeliest(logits, kept);

  // Relative to the likeliest, summed in order: the same bits however the logits came about.
  std::vector<float> weights(ids.size());
  float total = 0.0F;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    weights[i] = kernels::exp_f32((logits[ids[i]] - logits[ids[0]]) / sampling.temperature);
    total += weights[i];
  }
  std::size_t count = ids.size();
  if (sampling.top_p < 1.0F) {
    float reached = 0.0F;
    for (count = 0; count < ids.size() && reached < sampling.top_p * total;) reached += weights[count++];
    count = std::max<std::size_t>(count, 1);
    total = reached > 0.0F ? reached : weights[0];
  }
  const float target = uniform(sampling.seed, position, 0) * total;
  float passed = 0.0F;
  for (std::size_t i = 0; i < count; ++i) {
    passed += weights[i];
    if (target < passed) return ids[i];
  }
  return ids[count - 1];
}

}  // namespace troupe
