#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/table.hpp"
#include "troupe/runtime.hpp"

namespace troupe {

/// Why no token can be sampled from these logits, or null where one can: one of them is no number, or all are minus
/// infinity. Plus infinity is a number, and wins.
[[nodiscard]] const char* fault_of(std::span<const float> logits);

/// Memory in which rows of so many logits at most are sampled from, one after the other: no step allocates any. What is
/// not used is not touched. One thread at a time.
class SamplingRoom {
 public:
  explicit SamplingRoom(std::size_t vocabulary);
  [[nodiscard]] static std::size_t bytes(std::size_t vocabulary);

  std::vector<float> chances, segments, weights;
  std::vector<TokenId> ids;
};

/// The token after `position`, from its logits, at least one of them. Ties go to the lowest id. Greedy at temperature
/// 0; else among the top_k likeliest, cut to the fewest whose probability reaches top_p. Of logits that have a fault
/// the result is some id: callers look for it first.
[[nodiscard]] TokenId sample(std::span<const float> logits, const Sampling& sampling, std::uint32_t position,
                             const kernels::KernelTable& kernels, SamplingRoom& room);

/// The logarithm of the probability of `chosen`, then of the likeliest ids, as many as there are to be and have a
/// chance, from logits that have no fault: as they are, whatever the sampling is. The sum runs over fixed segments of
/// the vocabulary.
[[nodiscard]] std::vector<TokenLogprob> logprobs(std::span<const float> logits, TokenId chosen, std::uint32_t count,
                                                 const kernels::KernelTable& kernels, SamplingRoom& room);

}  // namespace troupe
