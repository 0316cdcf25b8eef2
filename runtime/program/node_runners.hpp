#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/program/runner.hpp"
#include "runtime/program/tokens.hpp"
#include "runtime/trace/track.hpp"
#include "troupe/actor.hpp"

namespace troupe {

/// What flows through a node that is no shard: the hidden state of every row, or the logits of the wanted rows by
/// tiles.
enum class Flow : std::uint8_t { hidden, logits };

/// A host's actor between two others. A row that was good and that it has made bad goes on as it was, and fails its
/// slice with out_of_range: hidden states are bad where one is no number or beyond +-2^48, logits of a row that is
/// sampled where no token can be (see fault_of).
class ActorRunner : public StepRunner {
 public:
  /// `rows`: of a step at most; `tokens`: what the sampler has sampled, which rows are told; `deadline`: of its waits
  /// for the others; `track`: of the thread that runs steps, or null.
  ActorRunner(std::string name, std::unique_ptr<Actor> actor, Flow flow, std::size_t columns, std::size_t rows,
              TokenBoard tokens, std::unique_ptr<transport::Receiver> in,
              std::vector<std::unique_ptr<transport::Sender>> out, transport::Deadline deadline,
              std::shared_ptr<trace::Track> track = nullptr);
  [[nodiscard]] StepOutcome run(const Step& step) override;
  void abort(const Error& why) override;

 private:
  Result<void> receive_tokens(const Step& step);
  Result<void> pass(const Step& step, std::span<const WantedRow> rows, StepOutcome& outcome);
  Result<void> receive(std::size_t rows);
  Result<void> send(std::size_t rows);
  void call(const Step& step, std::span<const WantedRow> rows, StepOutcome& outcome);
  [[nodiscard]] StepRow seen(const Step& step, const WantedRow& row) const;
  void check(std::span<const WantedRow> rows, StepOutcome& outcome);
  [[nodiscard]] const char* fault(const WantedRow& row, const float* values) const;

  std::string name_;
  std::unique_ptr<Actor> actor_;
  Flow flow_;
  std::size_t columns_;
  TokenBoard tokens_;
  std::vector<std::shared_ptr<const std::string>> users_;  ///< [slots]
  std::unique_ptr<transport::Receiver> in_;
  std::vector<std::unique_ptr<transport::Sender>> out_;
  transport::Deadline deadline_;
  std::shared_ptr<trace::Track> track_;
  // Room for the largest piece from the start, so that no step allocates.
  std::vector<float> received_, sent_;
  std::vector<StepRow> rows_;
  std::vector<WantedRow> flowing_;  ///< of the step
};

/// A sampler whose logits come through a channel, because other actors stand between it and the last stage.
class SamplerRunner : public StepRunner {
 public:
  /// `rows`: of a step at most; `track`: of the thread that runs steps, or null.
  SamplerRunner(LogitsEnd end, std::size_t vocabulary, std::size_t rows, std::unique_ptr<transport::Receiver> in,
                transport::Deadline deadline, std::shared_ptr<trace::Track> track = nullptr);
  [[nodiscard]] StepOutcome run(const Step& step) override;
  void abort(const Error& why) override;

 private:
  Result<void> receive(std::size_t rows);

  LogitsEnd end_;
  std::size_t vocabulary_;
  std::unique_ptr<transport::Receiver> in_;
  transport::Deadline deadline_;
  std::shared_ptr<trace::Track> track_;
  std::vector<float> logits_;       ///< room for a tile
  std::vector<WantedRow> flowing_;  ///< of the step
};

}  // namespace troupe
