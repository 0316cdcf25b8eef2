#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "runtime/program/weights.hpp"
#include "runtime/tiers/prefetch_counts.hpp"
#include "runtime/tiers/stream_plan.hpp"
#include "transport/waiter.hpp"

namespace troupe {

/// The weights of one shard that are not in memory, as its steps need them: a thread of its own reads unit after unit,
/// as many ahead as there are buffers, over the end of a step into the next. Steps go through all units in order, on one
/// thread at a time.
class WeightStream {
 public:
  /// `weights`: [Program::weights], of which those in units get where they lie, whenever they come to lie there.
  [[nodiscard]] static Result<std::unique_ptr<WeightStream>> create(std::shared_ptr<const Program> program,
                                                                    std::shared_ptr<const StreamPlan> plan,
                                                                    ReadUnit read, std::span<LoadedWeight> weights,
                                                                    std::shared_ptr<PrefetchCounts> counts);
  WeightStream(const WeightStream&) = delete;
  WeightStream& operator=(const WeightStream&) = delete;
  ~WeightStream();  ///< waits for a read that is under way

  /// Returns once this unit is there; those before it are given up. An error where a read has failed, or none comes
  /// before the deadline.
  [[nodiscard]] Result<void> await(std::uint32_t unit, transport::WaitPolicy policy, transport::Deadline deadline);

  /// Between steps: those of the last one are given up, whether it came to all of them or not.
  void end_step();

 private:
  WeightStream(std::shared_ptr<const Program> program, std::shared_ptr<const StreamPlan> plan, ReadUnit read,
               std::span<LoadedWeight> weights, Buffer memory, std::shared_ptr<PrefetchCounts> counts);
  void run();
  Result<void> read(std::uint64_t number);
  void give_up_before(std::uint64_t number);

  std::shared_ptr<const Program> program_;
  std::shared_ptr<const StreamPlan> plan_;
  ReadUnit read_;
  std::span<LoadedWeight> weights_;
  Buffer memory_;  ///< [buffers]
  std::shared_ptr<PrefetchCounts> counts_;

  // Units are numbered on and on, step after step.
  std::uint64_t step_ = 0;  ///< the number of the step's first unit
  bool begun_ = false;      ///< the step has awaited one
  transport::Counter read_to_, given_up_;
  transport::AbortFlag failed_, ended_;
  std::thread thread_;
};

}  // namespace troupe
