#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/memory/kv_pool.hpp"
#include "runtime/schedule/step.hpp"

namespace troupe {

struct BatchLimits {
  std::uint32_t stages = 1;     ///< of the pipeline: as many micro-batches are kept under way
  std::uint32_t rows = 512;     ///< of a step at most
  std::uint32_t parallel = 16;  ///< sequences that run at once; at most `rows`
  std::uint32_t context = 0;  ///< positions of a sequence at most, for which the KV blocks of one that is alone suffice
  std::vector<KvGroup> kv{};  ///< empty: one group that sees all, with blocks for every sequence at full context
  bool prefix_cache = true;
};

/// A pool for these limits, with nothing in it.
[[nodiscard]] std::shared_ptr<KvPool> make_pool(const BatchLimits& limits);

/// Messages with sampled tokens that the channel from a replica's last stage to its first must hold: one of each step
/// that may be under way, stages + 1 of each micro-batch, and the one that is being written.
[[nodiscard]] constexpr std::size_t most_token_messages(std::size_t stages) { return stages * (stages + 1) + 1; }

struct SequenceRequest {
  SequenceId id = 0;                                ///< lower ones are older
  std::vector<TokenId> prompt{};                    ///< at least one token, at most `context`
  std::uint32_t max_tokens = 0;                     ///< to sample; prompt and samples fit the context
  std::shared_ptr<const SamplingTerms> sampling{};  ///< null: greedy, with nothing else
  float surprise_bound = 0.0F;                      ///< Mirostat's, as the prompt's samples have left it
  std::uint32_t first_wanted = UINT32_MAX;  ///< logits of this and all later positions are wanted, whatever is sampled
  std::int32_t priority = 0;                ///< of those that wait the highest comes first, of equals the oldest
  std::string cache_salt{};                 ///< only equal ones share cached prefixes
  std::optional<std::uint32_t> logprobs{};  ///< these two as in OpenedSlot
  std::shared_ptr<const std::string> user{};
  std::uint32_t resumed = 0;  ///< tokens at the prompt's end that were sampled before, and count as such
};

struct BatchStats {
  std::size_t waiting = 0, running = 0;
  KvStats kv;
  std::uint64_t prompt_tokens = 0;  ///< of sequences that have begun to run
  std::uint64_t cached_tokens = 0;  ///< of those, the ones that need not be computed
  std::uint64_t given_back = 0;     ///< how often a sequence had to give back its blocks
};

/// Continuous batching with chunked prefill (Yu et al., Orca, OSDI'22; Agrawal et al., Sarathi, 2023), as pure data:
/// who runs, in which KV blocks, and what the next step holds. Steps are made one ahead of what is known, so a sequence
/// that ends early has a surplus row under way, whose result is thrown away.
///
/// A step is composed of rows for which there are blocks. Where they run out, the youngest sequence of the lowest
/// priority gives its own back, once nothing of it is under way, and waits; when it runs again, its prompt and what it
/// has sampled are computed anew (Kwon et al., PagedAttention, SOSP'23). Steps run in order, so a block may be given to
/// another while a step that reads it is under way.
class Batcher {
 public:
  explicit Batcher(const BatchLimits& limits) : Batcher(limits, make_pool(limits)) {}

  /// With a pool that make_pool has made for these limits, and that nobody else looks at meanwhile.
  Batcher(BatchLimits limits, std::shared_ptr<KvPool> pool);

  /// Puts a sequence into the queue. Who lets requests in bounds them.
  void add(SequenceRequest request);

  /// The next step to send out, where one may be sent now.
  [[nodiscard]] std::optional<Step> next();

  /// A step has come back from every actor, with what all of them report. Returns the sequences that are through:
  /// nothing of them is under way any more.
  [[nodiscard]] std::vector<SequenceId> complete(const Step& step, const StepOutcome& outcome);

  /// Nothing further is computed for a sequence. Returns true where it is through at once (it had nothing under way).
  bool stop(SequenceId id);

  [[nodiscard]] bool idle() const { return waiting_.empty() && running_.empty(); }
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
  [[nodiscard]] std::size_t running() const { return running_.size(); }
  [[nodiscard]] std::size_t free_blocks() const;  ///< of all groups: those that nobody holds
  [[nodiscard]] BatchStats stats() const;

  /// Of a running sequence's prompt, the tokens that the prefix cache had; 0 of any other.
  [[nodiscard]] std::uint32_t cached_tokens(SequenceId id) const;

 private:
  /// Who comes first.
  struct Rank {
    bool ordinary;  ///< not passed over too often
    std::int64_t below;
    SequenceId id;
    friend auto operator<=>(const Rank&, const Rank&) = default;
  };
  struct Sequence {
    SequenceRequest request{};      ///< the prompt is followed by the samples that have come back
    std::uint32_t prompt_end = 0;   ///< of the prompt as it was asked for
    std::uint32_t prefill_end = 0;  ///< tokens that were known when it began to run
    std::uint32_t slot = 0, micro_batch = 0;
    std::uint32_t positions = 0;    ///< scheduled so far
    std::uint32_t row_end = 0;      ///< of the rows that were scheduled last; those before may be skipped
    std::uint32_t computed = 0;     ///< of the positions, come back
    std::uint32_t sampled = 0;      ///< samples scheduled so far
    std::uint32_t under_way = 0;    ///< steps
    std::uint32_t cached = 0;       ///< tokens of the prompt
    std::uint64_t last_sample = 0;  ///< which of the token messages, counted from 1, holds its last sample
    bool urgent = false, again = false, opened = false, stopped = false, failed = false, gives_back = false;
    KvTable table{};
    std::vector<std::uint32_t> told{};  ///< [groups]: entries of the table that the shards know
    [[nodiscard]] Rank rank() const { return {!urgent, -std::int64_t{request.priority}, request.id}; }
    [[nodiscard]] bool prefilling() const { return positions < prefill_end; }
    [[nodiscard]] bool finished() const { return stopped || (!prefilling() && sampled >= request.max_tokens); }
    [[nodiscard]] bool active() const { return !finished() && !gives_back; }
  };
  using Running = std::map<SequenceId, Sequence>;

  void admit();
  [[nodiscard]] std::map<Rank, Sequence>::iterator next_in_queue();
  [[nodiscard]] bool fits(const Sequence& sequence) const;
  void begin(Sequence sequence);
  void queue(Sequence sequence);
  void balance(std::uint32_t micro_batch);
  [[nodiscard]] std::uint32_t most_under_way(std::uint32_t micro_batch) const;
  [[nodiscard]] std::vector<Sequence*> members(std::uint32_t micro_batch);
  std::optional<Step> compose(std::uint32_t micro_batch);
  void number(Step& step, std::uint64_t messages, const std::vector<Sequence*>& members);
  [[nodiscard]] static std::uint32_t most_cached(const Sequence& sequence);
  void take_cached(Sequence& sequence);
  [[nodiscard]] bool comes_soon(const Sequence& sequence) const;
  [[nodiscard]] std::uint32_t reserve(Sequence& sequence, std::uint32_t most);
  [[nodiscard]] std::uint32_t wait_for_blocks(Sequence& sequence, std::uint32_t end);
  [[nodiscard]] Sequence* last_in_rank();
  void schedule(Sequence& sequence, Step& step, std::uint32_t rows);
  void tell(Sequence& sequence, SequenceSlice& slice) const;
  void come_back(Sequence& sequence, const SequenceSlice& slice, bool failed);
  void release(Running::iterator sequence);
  void free(Sequence& sequence);
  void queue_again(Running::iterator sequence);
  void queue_those_who_gave_back();

  BatchLimits limits_;
  std::shared_ptr<KvPool> pool_;
  std::map<Rank, Sequence> waiting_;
  std::map<SequenceId, Rank> ranks_;     ///< of those that wait; the oldest first
  std::uint32_t passed_over_ = 0;        ///< how many have begun since the oldest that waits is the oldest
  Running running_;                      ///< by id, and so by age
  std::optional<Rank> short_of_blocks_;  ///< the first that waits for some: nobody behind it takes any
  std::vector<std::uint32_t> free_slots_;
  std::vector<std::uint32_t> under_way_;  ///< [micro-batches]: steps
  std::map<StepId, std::uint32_t> micro_batch_of_;
  std::uint32_t turn_ = 0;  ///< the micro-batch whose step comes next
  StepId last_step_ = 0;
  std::uint64_t prompt_tokens_ = 0, cached_tokens_ = 0, given_back_ = 0;

  // Token messages, one a sampling step: made, known to be in the channel, and taken out by steps made so far.
  std::uint64_t sent_messages_ = 0, completed_messages_ = 0, received_messages_ = 0;
};

}  // namespace troupe
