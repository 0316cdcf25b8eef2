#pragma once

#include <memory>
#include <vector>

#include "runtime/device/program_runner.hpp"
#include "runtime/program/runner.hpp"
#include "runtime/program/tokens.hpp"
#include "transport/channel/channel.hpp"

namespace troupe {

/// How a shard is joined to the others of its replica. What it does not have is null or empty.
struct ShardEnds {
  std::unique_ptr<TokenBoard> tokens{};              ///< in the first stage
  std::unique_ptr<transport::Receiver> hidden_in{};  ///< in the others, at the first rank, which tells the rest
  std::vector<std::unique_ptr<transport::Sender>> hidden_out{};
  std::unique_ptr<LogitsEnd> logits_end{};          ///< first rank of the last stage: samples here, or
  std::unique_ptr<transport::Sender> logits_out{};  ///< sends its logits on
};

/// One shard: lays out the rows of each step, receives what they are made from, has the device run the program over
/// them, and hands on what they come to. A slice whose KV blocks cannot be had fails alone; its rows stay in the step,
/// because the other ranks and stages count on them.
class ShardRunner : public StepRunner {
 public:
  /// `rows`: of a step at most. `deadline`: of each wait for a peer. `track`: of the thread that runs steps, or null.
  ShardRunner(std::shared_ptr<const Program> program, std::unique_ptr<ProgramRunner> runner, ShardEnds ends,
              std::size_t rows, transport::Deadline deadline, std::shared_ptr<trace::Track> track = nullptr);
  [[nodiscard]] StepOutcome run(const Step& step) override;
  [[nodiscard]] HeldKv* kv() override { return &runner_->kv(); }
  void abort(const Error& why) override;

 private:
  Result<void> begin(const Step& step, StepOutcome& outcome);
  void lay_rows(const Step& step);
  void take_blocks(const Step& step, StepOutcome& outcome);
  Result<void> receive_tokens(const Step& step);
  Result<void> receive_hidden();
  Result<void> run_sections(const Step& step, StepOutcome& outcome);
  Result<void> run_pass(const Step& step, const Section& section, std::size_t first, std::size_t rows,
                        StepOutcome& outcome);
  Result<void> hand_on_logits(const Step& step, std::size_t first, std::size_t rows, StepOutcome& outcome);
  Result<void> send_hidden();
  void report_overflow(StepOutcome& outcome);

  std::shared_ptr<const Program> program_;
  std::unique_ptr<ProgramRunner> runner_;
  ShardEnds ends_;
  transport::Deadline deadline_;
  std::shared_ptr<trace::Track> track_;
  StepRows rows_;
};

}  // namespace troupe
