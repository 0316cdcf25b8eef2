#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/schedule/step.hpp"

namespace troupe {

struct BatchLimits {
  std::uint32_t stages = 1;     ///< of the pipeline: as many micro-batches are kept under way
  std::uint32_t rows = 512;     ///< of a step at most
  std::uint32_t parallel = 16;  ///< sequences that run at once; at most `rows`
  std::uint32_t context = 0;    ///< positions of a sequence at most
};

/// Messages with sampled tokens that the channel from a replica's last stage to its first must hold: one of each step
/// that may be under way, stages + 1 of each micro-batch, and the one that is being written.
[[nodiscard]] constexpr std::size_t most_token_messages(std::size_t stages) { return stages * (stages + 1) + 1; }

struct SequenceRequest {
  SequenceId id = 0;
  std::vector<TokenId> prompt;   ///< at least one token, at most `context`
  std::uint32_t max_tokens = 0;  ///< to sample; prompt and samples fit the context
  std::shared_ptr<const SequenceSettings> settings;
  std::int32_t priority = 0;
  std::string cache_salt{};
};

/// Continuous batching with chunked prefill (Yu et al., Orca, OSDI'22; Agrawal et al., Sarathi, 2023), as pure data:
/// who runs, in which KV blocks, and what the next step holds. Steps are made one ahead of what is known, so a sequence
/// that ends early has a surplus row under way, whose result is thrown away.
class Batcher {
 public:
  explicit Batcher(BatchLimits limits);

  /// Puts a sequence into the queue. Who lets requests in bounds them.
  void add(SequenceRequest request) { waiting_.push_back(std::move(request)); }

  /// The next step to send out, where one may be sent now.
  [[nodiscard]] std::optional<Step> next();

  /// A step has come back from every actor. Returns the sequences that are through: nothing of them is under way any
  /// more.
  [[nodiscard]] std::vector<SequenceId> complete(const Step& step);

  /// Nothing further is computed for a sequence. Returns true where it is through at once (it had nothing under way).
  bool stop(SequenceId id);

  [[nodiscard]] bool idle() const { return waiting_.empty() && running_.empty(); }
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
  [[nodiscard]] std::size_t running() const { return running_.size(); }
  [[nodiscard]] std::size_t free_blocks() const { return free_blocks_.size() + most_blocks_ - next_block_; }

 private:
  struct Sequence {
    SequenceRequest request{};
    std::uint32_t slot = 0, micro_batch = 0;
    std::uint32_t positions = 0;  ///< scheduled so far
    std::uint32_t sampled = 0;    ///< samples scheduled so far
    std::uint32_t under_way = 0;  ///< steps
    bool stopped = false;
    std::uint64_t last_sample = 0;  ///< which of the token messages, counted from 1, holds its last sample
    std::vector<std::uint32_t> blocks{};
    [[nodiscard]] bool prefilling() const { return positions < request.prompt.size(); }
    [[nodiscard]] bool finished() const { return stopped || (!prefilling() && sampled >= request.max_tokens); }
  };

  void admit();
  void balance(std::uint32_t micro_batch);
  [[nodiscard]] std::uint32_t most_under_way(std::uint32_t micro_batch) const;
  Step compose(std::uint32_t micro_batch);
  [[nodiscard]] std::uint32_t take_block();
  void schedule(Sequence& sequence, Step& step, std::uint32_t rows);
  void release(std::map<SequenceId, Sequence>::iterator sequence);

  BatchLimits limits_;
  std::deque<SequenceRequest> waiting_;
  std::map<SequenceId, Sequence> running_;  ///< by id, and so by age
  std::vector<std::uint32_t> free_slots_;
  std::uint32_t most_blocks_;
  std::uint32_t next_block_ = 0;            ///< the first that has never been used
  std::vector<std::uint32_t> free_blocks_;  ///< those that have
  std::vector<std::uint32_t> under_way_;    ///< [micro-batches]: steps
  std::map<StepId, std::uint32_t> micro_batch_of_;
  std::uint32_t turn_ = 0;  ///< the micro-batch whose step comes next
  StepId last_step_ = 0;

  // Token messages, one a sampling step: made, known to be in the channel, and taken out by steps made so far.
  std::uint64_t sent_messages_ = 0, completed_messages_ = 0, received_messages_ = 0;
};

}  // namespace troupe
