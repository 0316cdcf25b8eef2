#pragma once

#include <memory>
#include <vector>

#include "runtime/device/cpu/cpu_runner.hpp"
#include "tests/device/late_queue.hpp"

namespace troupe::testing {

/// What is not waited for, to see that it is missed: copies in by ops, or ops by copies out.
enum class Forgets : std::uint8_t { nothing, copies_in, ops };

/// A program whose copies and ops are queued, and done later, on the processor. A copy in is to have ended before ops
/// begin, ops before what they came to is copied out. What nobody may look at any more, or not yet, holds nothing of
/// use: values after the last op that touches them, and the host's views.
class LateRunner : public ProgramRunner {
 public:
  LateRunner(std::unique_ptr<CpuRunner> processor, std::shared_ptr<const Program> program, std::size_t rows,
             std::uint64_t seed, Forgets forgets);
  void open(std::uint32_t slot) override { processor_->open(slot); }
  [[nodiscard]] Result<void> take_blocks(const SequenceSlice& slice) override { return processor_->take_blocks(slice); }
  [[nodiscard]] float* hidden_in() override { return hidden_in_.data(); }
  [[nodiscard]] Result<void> begin(const StepRows& rows) override;
  [[nodiscard]] std::size_t count(SpaceId space) override;
  [[nodiscard]] Result<void> run(const Section& section, std::size_t first, std::size_t rows) override;
  [[nodiscard]] Result<void> finish() override;
  [[nodiscard]] float* hidden() override { return hidden_.data(); }
  [[nodiscard]] float* logits() override { return logits_.data(); }
  [[nodiscard]] std::span<const std::uint8_t> overflow() override { return overflow_; }
  [[nodiscard]] HeldKv& kv() override { return processor_->kv(); }
  void abort(const Error& why) override { processor_->abort(why); }

 private:
  LateQueue::Mark add_copy_in();
  LateQueue::Mark add_copy_out();
  Result<void> copy_in(const StepRows& rows);
  Result<void> run_op(const Section& section, std::size_t op, std::size_t first, std::size_t rows);
  Result<void> copy_out();

  std::shared_ptr<const Program> program_;
  Forgets forgets_;
  const StepRows* host_rows_ = nullptr;
  StepRows rows_;                                        ///< as the device has them
  std::vector<std::vector<std::vector<ValueId>>> done_;  ///< [sections][ops]: values that this op is the last to touch
  std::vector<float> hidden_in_, hidden_, logits_;
  std::vector<std::uint8_t> overflow_;
  std::size_t logit_rows_ = 0;  ///< of the last pass
  std::unique_ptr<CpuRunner> processor_;
  LateQueue queue_;
  LateQueue::Mark ran_{LateQueue::ops, 0};  ///< all ops so far
  std::optional<LateQueue::Mark> before_ops_, copied_out_;
};

}  // namespace troupe::testing
