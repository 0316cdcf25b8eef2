#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/program/weights.hpp"
#include "runtime/tiers/prefetch_counts.hpp"
#include "runtime/tiers/stream_plan.hpp"
#include "transport/deadline.hpp"

namespace troupe {

/// The experts of one shard that are on disk, as rows go to them: in memory are as many as there is room for, those
/// that are needed soonest as far as can be foreseen. While a layer computes, the next one's experts of the last step
/// are read. One thread at a time.
class ExpertCache {
 public:
  /// `weights`: [Program::weights], of which experts' get where they lie, whenever they come to lie there.
  [[nodiscard]] static Result<std::unique_ptr<ExpertCache>> create(std::shared_ptr<const Program> program,
                                                                   std::shared_ptr<const StreamPlan> plan,
                                                                   std::shared_ptr<UnitReader> reader,
                                                                   std::span<LoadedWeight> weights,
                                                                   std::shared_ptr<PrefetchCounts> counts);

  /// Returns once those of a layer's experts are there that rows go to; until the next call they stay. `layer`: as the
  /// model counts; rows [experts of the layer + 1]: the first row of each. An error where a read has failed, or takes
  /// longer than the deadline.
  [[nodiscard]] Result<void> await(std::uint32_t layer, std::span<const std::uint32_t> rows,
                                   transport::Deadline deadline);

 private:
  static constexpr std::uint32_t none = UINT32_MAX;

  struct Expert {
    std::uint32_t layer = 0;  ///< counted among those that have experts on disk
    std::uint32_t slot = none;
    float used = 0;         ///< a mean over steps, of which the latest count most: whether rows went to it
    bool last = false;      ///< in the last step rows went to it
    bool foreseen = false;  ///< it was read before rows went to it, and none have gone to it since
  };
  struct Slot {
    std::uint32_t expert = none;
    std::uint32_t place = none;  ///< of a reader, while it is read into
    bool pinned = false;         ///< rows go to it now
  };

  ExpertCache(std::shared_ptr<const Program> program, std::shared_ptr<const StreamPlan> plan,
              std::shared_ptr<UnitReader> reader, std::span<LoadedWeight> weights, Buffer memory,
              std::shared_ptr<PrefetchCounts> counts);
  [[nodiscard]] double due(const Expert& expert, std::uint32_t layer) const;
  [[nodiscard]] std::uint32_t slot_for(std::uint32_t layer) const;
  [[nodiscard]] Result<void> read(std::uint32_t expert, std::uint32_t slot, transport::Deadline deadline);
  [[nodiscard]] Result<std::uint32_t> free_place(transport::Deadline deadline);
  [[nodiscard]] Result<void> free(std::uint32_t place, transport::Deadline deadline);
  [[nodiscard]] Result<void> finish(std::uint32_t slot, transport::Deadline deadline);
  [[nodiscard]] Result<void> foresee(std::uint32_t layer);
  void forget(std::uint32_t slot);

  std::shared_ptr<const Program> program_;
  std::shared_ptr<const StreamPlan> plan_;
  std::span<LoadedWeight> weights_;
  std::shared_ptr<PrefetchCounts> counts_;
  std::vector<Expert> experts_;        ///< [StreamPlan::experts]
  std::vector<std::uint32_t> layers_;  ///< [layers with experts on disk + 1]: the first expert of each
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> places_;   ///< [StreamPlan::expert_reads]: the slot that is read into, or none
  Buffer memory_;                       ///< [slots]
  std::shared_ptr<UnitReader> reader_;  ///< into the memory
};

}  // namespace troupe
