#pragma once

#include <cstdint>
#include <span>

#include "runtime/memory/weight_store.hpp"
#include "runtime/tiers/stream_plan.hpp"

namespace troupe {

/// What a replica's shards have of weights, in bytes, buffers counted in.
struct WeightsBudget {
  std::uint64_t all = 0;    ///< where all are in memory
  std::uint64_t least = 0;  ///< where as many as can be are on disk
};
[[nodiscard]] WeightsBudget weights_budget(std::span<const WantedWeights> shards);

/// Gives each shard of a replica a stream plan, or none, so that all of them together keep at most this share of their
/// weights in memory, 0 < share, and of those of `experts` each shard as many; layers that are read are spread evenly,
/// so that the disk never has to wait. Where either is less than is possible (invalid_argument) the error names what
/// is.
[[nodiscard]] Result<void> plan_streams(std::span<WantedWeights> shards, double share, double experts = 1);

}  // namespace troupe
