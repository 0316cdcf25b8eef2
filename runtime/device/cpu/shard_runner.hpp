#pragma once

#include <memory>
#include <vector>

#include "runtime/device/cpu/context.hpp"
#include "runtime/model/description.hpp"
#include "runtime/program/runner.hpp"
#include "runtime/program/tokens.hpp"

namespace troupe {

/// All that a shard needs. Ends of channels that it does not have are null or empty.
struct ShardParts {
  std::shared_ptr<const Program> program;
  std::shared_ptr<const ShardWeights> weights;
  const kernels::KernelTable* kernels = nullptr;
  kernels::RopeStyle rope_style{};
  std::vector<double> rope_thetas;
  std::uint32_t rows = 0;                ///< of a step at most
  std::uint32_t slots = 1;               ///< sequences that run at once
  std::uint32_t context = 0;             ///< positions of one at most
  std::vector<std::uint32_t> kv_blocks;  ///< [groups of layers]: of all sequences together at most
  std::uint32_t threads = 1;
  transport::WaitPolicy policy;
  transport::Deadline deadline{peer_patience};            ///< of waits for peers
  std::vector<int> cores;                                 ///< [threads] to pin them to, or empty
  std::shared_ptr<transport::Communicator> communicator;  ///< null where the shard is alone
  std::unique_ptr<TokenBoard> tokens;                     ///< in the first stage
  std::unique_ptr<transport::Receiver> hidden_in;         ///< in the others, at the first rank, which tells the rest
  std::vector<std::unique_ptr<transport::Sender>> hidden_out;
  std::unique_ptr<LogitsEnd> logits_end;          ///< first rank of the last stage: samples here, or
  std::unique_ptr<transport::Sender> logits_out;  ///< sends its logits on
};

/// Bytes of the arena and scratch that a shard allocates, beside its weights and KV blocks.
[[nodiscard]] std::size_t activation_bytes(const Program& program, std::size_t rows, std::uint32_t threads,
                                           std::size_t rope_thetas);

/// One shard: runs its program over each step, on the caller's thread and threads - 1 of its own. A slice whose KV
/// blocks cannot be had fails alone; its rows stay in the step, because the other ranks and stages count on them.
class ShardRunner : public StepRunner {
 public:
  [[nodiscard]] static Result<std::unique_ptr<ShardRunner>> create(ShardParts parts);
  [[nodiscard]] StepOutcome run(const Step& step) override;
  void abort(const Error& why) override;

 private:
  ShardRunner(ShardParts parts, Buffer arena, SlotTables tables);
  Result<void> begin(const Step& step, StepOutcome& outcome);
  void lay_rows(const Step& step);
  void take_blocks(const Step& step, StepOutcome& outcome);
  Result<void> receive_rows(const Step& step);
  Result<void> receive_hidden();
  Result<void> run_body();
  [[nodiscard]] bool compute_angles(std::uint32_t thread);
  void run_ops(const std::vector<Op>& ops, std::size_t rows, std::size_t first_wanted, std::uint32_t thread);
  Result<void> send_hidden();
  Result<void> run_tail(const Step& step, StepOutcome& outcome);
  void report_overflow(StepOutcome& outcome);

  ShardParts parts_;
  Team team_;
  ShardState state_;
  std::uint32_t layers_ = 0;                      ///< past the program's last
  std::vector<std::vector<double>> frequencies_;  ///< [rope thetas][head_dim / 2]
};

}  // namespace troupe
