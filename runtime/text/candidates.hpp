#pragma once

#include <limits>
#include <span>
#include <vector>

#include "kernels/table.hpp"
#include "runtime/text/sampling_room.hpp"

namespace troupe {

/// The chance of what has been cut.
inline constexpr float no_chance = -std::numeric_limits<float>::infinity();

/// exp of what is further below the likeliest is zero.
inline constexpr float deepest = 88.0F;

/// What may come next: the logits, which say who is likelier, and of each token the logarithm of its chance relative to
/// the likeliest, which samplers change, in the room's `chances`.
struct Candidates {
  std::span<const float> logits;
  SamplingRoom& room;
  const kernels::KernelTable& kernels;

  [[nodiscard]] std::vector<float>& chances() const { return room.chances; }
  [[nodiscard]] std::size_t likeliest() const { return kernels.argmax(room.chances.data(), room.chances.size()); }
  /// The logarithm of the sum of all chances, over fixed segments of the vocabulary.
  [[nodiscard]] float whole() const { return kernels.log_sum_exp(room.chances.data(), room.chances.size()); }

  /// The order of likelihood; of equals the lowest id comes first. By the logits themselves: scaling may round two to
  /// one.
  [[nodiscard]] auto likelier() const {
    return [all = logits](TokenId a, TokenId b) { return all[a] != all[b] ? all[a] > all[b] : a < b; };
  }
};

/// All of them, at a temperature above 0.
[[nodiscard]] Candidates candidates_of(std::span<const float> logits, float temperature,
                                       const kernels::KernelTable& kernels, SamplingRoom& room);

/// Divides by a temperature above 0 what chances are the logarithms of.
void scale(const Candidates& candidates, float temperature);

/// Makes chances relative to the likeliest again, where it may have been cut. One is left at least.
void centre(const Candidates& candidates);

/// The weight of each segment of the vocabulary, in the room.
std::span<const float> weigh_segments(const Candidates& candidates);

[[nodiscard]] double sum_of(std::span<const float> weights);

/// One of them, at a fraction of all chances in [0, 1): first a segment, then an id of it.
[[nodiscard]] TokenId draw(const Candidates& candidates, double fraction);

}  // namespace troupe
