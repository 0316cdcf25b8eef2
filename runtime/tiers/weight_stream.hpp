#pragma once

#include <memory>
#include <span>

#include "runtime/program/weights.hpp"
#include "runtime/tiers/prefetch_counts.hpp"
#include "runtime/tiers/stream_plan.hpp"
#include "transport/deadline.hpp"

namespace troupe {

/// The weights of one shard that are not in memory, as its steps need them: as many units are read ahead as there are
/// buffers, over the end of a step into the next. Steps go through all units in order. One thread at a time.
class WeightStream {
 public:
  /// `weights`: [Program::weights], of which those in units get where they lie, whenever they come to lie there.
  [[nodiscard]] static Result<std::unique_ptr<WeightStream>> create(std::shared_ptr<const Program> program,
                                                                    std::shared_ptr<const StreamPlan> plan,
                                                                    std::shared_ptr<UnitReader> reader,
                                                                    std::span<LoadedWeight> weights,
                                                                    std::shared_ptr<PrefetchCounts> counts);

  /// Returns once this unit is there; those before it are given up, and their buffers read into. An error where a read
  /// has failed, or takes longer than the deadline.
  [[nodiscard]] Result<void> await(std::size_t unit, transport::Deadline deadline);

  /// Between steps: the units of the last one are given up, whether it came to all of them or not.
  void end_step();

 private:
  WeightStream(std::shared_ptr<const Program> program, std::shared_ptr<const StreamPlan> plan,
               std::shared_ptr<UnitReader> reader, std::span<LoadedWeight> weights, Buffer memory,
               std::shared_ptr<PrefetchCounts> counts);
  [[nodiscard]] Result<void> read_ahead(std::uint64_t from, transport::Deadline deadline);
  [[nodiscard]] Result<void> begin(std::uint64_t number);
  [[nodiscard]] Result<void> wait(std::uint64_t number, transport::Deadline deadline);

  std::shared_ptr<const Program> program_;
  std::shared_ptr<const StreamPlan> plan_;
  std::span<LoadedWeight> weights_;
  std::shared_ptr<PrefetchCounts> counts_;
  Buffer memory_;                       ///< [buffers]
  std::shared_ptr<UnitReader> reader_;  ///< into the memory

  // Units are numbered on and on, step after step.
  std::uint64_t step_ = 0;      ///< the number of the step's first unit
  std::uint64_t used_to_ = 0;   ///< those before are given up
  std::uint64_t begun_to_ = 0;  ///< of those before a read has begun
};

}  // namespace troupe
