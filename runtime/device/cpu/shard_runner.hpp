#pragma once

#include <memory>
#include <vector>

#include "runtime/device/cpu/context.hpp"
#include "runtime/device/shard_parts.hpp"
#include "runtime/program/runner.hpp"

namespace troupe {

/// Bytes of the arena and scratch that a shard allocates, beside its weights and KV blocks.
[[nodiscard]] std::size_t activation_bytes(const Program& program, std::size_t rows, std::uint32_t threads);

/// One shard: runs its program over each step, on the caller's thread and threads - 1 of its own. A slice whose KV
/// blocks cannot be had fails alone; its rows stay in the step, because the other ranks and stages count on them.
class ShardRunner : public StepRunner {
 public:
  /// `kernels` must outlive it.
  [[nodiscard]] static Result<std::unique_ptr<ShardRunner>> create(ShardParts parts,
                                                                   const kernels::KernelTable& kernels);
  [[nodiscard]] StepOutcome run(const Step& step) override;
  void abort(const Error& why) override;

 private:
  ShardRunner(ShardParts parts, const kernels::KernelTable& kernels, Buffer arena, SlotTables tables);
  Result<void> begin(const Step& step, StepOutcome& outcome);
  void lay_rows(const Step& step);
  void take_blocks(const Step& step, StepOutcome& outcome);
  Result<void> receive_rows(const Step& step);
  Result<void> receive_hidden();
  Result<void> run_sections(const Step& step, StepOutcome& outcome);
  Result<void> run_pass(const Section& section, std::size_t first, std::size_t rows);
  [[nodiscard]] bool compute_angles(std::uint32_t thread);
  void run_ops(const std::vector<Op>& ops, std::size_t first, std::size_t rows, std::uint32_t thread);
  Result<void> send_hidden();
  Result<void> hand_on_logits(const Step& step, std::size_t first, std::size_t rows, StepOutcome& outcome);
  void report_overflow(StepOutcome& outcome);

  ShardParts parts_;
  Team team_;
  ShardState state_;
  std::uint32_t layers_ = 0;  ///< past the program's last
};

}  // namespace troupe
