#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "troupe/checkpoint.hpp"
#include "troupe/generate.hpp"
#include "troupe/generation.hpp"

namespace troupe {

/// Gets the logits of one position, [vocabulary], as they are, numbers or not; positions in order; on a thread of the
/// runtime, which waits for it.
/// What it throws fails the request; an Error keeps its code. It must not wait for a request of its own model.
using LogitsSink = std::function<void(std::uint32_t position, std::span<const float> logits)>;

struct LogitsOptions {
  std::stop_token cancel{};                             ///< within one step; the call then throws `cancelled`
  std::optional<std::chrono::milliseconds> deadline{};  ///< from now
  std::int32_t priority = 0;                            ///< these three as in GenerateOptions
  std::string cache_salt{};
  std::string user{};

  /// Logits of the positions before it are neither wanted nor computed. Below the number of ids.
  std::uint32_t first = 0;
};

enum class ReplicaState {
  serving,
  restarting,  ///< it broke; its streams wait until it is back
  draining,    ///< it takes no more requests: Model::drain
  broken,      ///< it broke too often, and stays so
};

/// One replica, now and since it was loaded.
struct ReplicaStats {
  std::uint32_t number = 0;  ///< for Model::drain
  ReplicaState state = ReplicaState::serving;
  std::uint32_t queued = 0;     ///< requests that wait
  std::uint32_t running = 0;    ///< requests that have a place in its steps
  std::uint32_t kv_blocks = 0;  ///< of 64 positions, that it may use
  std::uint32_t kv_used = 0;    ///< by requests that run
  std::uint32_t kv_cached = 0;  ///< by nobody now, and kept for prompts that begin with them
  std::uint32_t restarts = 0;
  std::uint32_t preempted = 0;  ///< requests that gave their blocks back for older ones, each time, since it was made
};

/// What has been read from disk ahead of the steps that need it, since the model was loaded.
struct PrefetchStats {
  std::uint64_t reads = 0;             ///< of one layer's weights, or one expert's
  std::uint64_t bytes = 0;             ///< in all of them
  std::uint64_t late = 0;              ///< that came later than the step that needed them
  std::uint64_t wasted = 0;            ///< that no step used: one broke, or an expert was not needed after all
  std::uint64_t mended = 0;            ///< that were not what had been written, and were packed anew
  std::chrono::nanoseconds waited{0};  ///< by steps, for those that were late; of several shards, all together
  // Of LoadOptions::experts_budget: experts of a layer that a step needed.
  std::uint64_t hits = 0;      ///< and that were there
  std::uint64_t foreseen = 0;  ///< and that had been read for it, or were being read
  std::uint64_t misses = 0;    ///< and that had to be read first
};

/// A model, now and since it was loaded: gathered while it runs, so sums may be a step apart.
struct Stats {
  std::uint32_t queued = 0;         ///< requests that wait
  std::uint32_t running = 0;        ///< requests that have a place in a replica's steps
  std::uint64_t requests = 0;       ///< taken; those of Model::logits among them
  std::uint64_t finished = 0;       ///< of those, the ones that ended by themselves
  std::uint64_t failed = 0;         ///< and those that ended with an error, cancelled and late ones among them
  std::uint64_t prompt_tokens = 0;  ///< of requests that have their first token, or have ended by themselves
  std::uint64_t cached_tokens = 0;  ///< of those, the ones that the prefix cache had
  std::uint64_t generated_tokens = 0;
  double tokens_per_second = 0.0;  ///< generated, over the last five seconds
  std::vector<ReplicaStats> replicas{};
  std::vector<ExpertLoad> experts{};  ///< of layers that have some
  PrefetchStats prefetch{};           ///< of weights: see LoadOptions::weights_budget

  /// What the prefix cache has saved: a share of the prompts' tokens, 0 to 1.
  [[nodiscard]] double hit_rate() const {
    return prompt_tokens == 0 ? 0.0 : static_cast<double>(cached_tokens) / static_cast<double>(prompt_tokens);
  }
};

/// A checkpoint at work: a graph of actors. Copies share it; the last one, or the last Generation, stops it, and waits
/// for the steps that are being run; streams with callbacks end then with `aborted`, and when it has waited, none of
/// them is called any more. On a thread of the runtime (in on_step, a logits sink, on_token, on_finish, the log
/// callback) nobody can wait for that: there another thread does it, later, and the host's callbacks must live on until
/// the log says "closed". Any thread. One that has been moved from throws invalid_argument; a child of fork(), where no
/// other thread lives, must not use it, but may destroy it.
class Model {
 public:
  class Impl;
  explicit Model(std::shared_ptr<Impl> impl);

  /// Starts a request. Throws Error: an unknown id, a prompt past the context, an option out of its bounds, a full
  /// queue.
  [[nodiscard]] Generation generate(std::string_view prompt, const GenerateOptions& options = {}) const;
  [[nodiscard]] Generation generate(std::vector<TokenId> prompt, const GenerateOptions& options = {}) const;

  /// So many texts of one prompt: a request for each, whose Sampling::choice goes up from the one that is asked for.
  /// Where prefixes are cached, the first computes the prompt, and the others share its whole blocks of 64 positions,
  /// as do all requests that begin alike and come together. Where it throws, those that were started are cancelled.
  [[nodiscard]] std::vector<Generation> generate_texts(const std::vector<TokenId>& prompt, std::uint32_t count,
                                                       const GenerateOptions& options = {}) const;

  /// The same, but the stream goes to callbacks, and the model need not be held for it to go on as long as somebody
  /// holds it. Where this throws, none of them is called.
  Request generate(std::string_view prompt, const GenerateOptions& options, StreamCallbacks callbacks) const;
  Request generate(std::vector<TokenId> prompt, const GenerateOptions& options, StreamCallbacks callbacks) const;

  /// Logits after the ids' last position, or after every one from LogitsOptions::first on; waits until all have been
  /// given to `sink`.
  void logits(std::vector<TokenId> ids, bool every_position, const LogitsSink& sink,
              const LogitsOptions& options = {}) const;

  [[nodiscard]] Stats stats() const;

  /// Adds replicas to a running model, of the same shards as its first; waits until their weights are packed and they
  /// serve, and returns their numbers, which are never used again. Streams go on meanwhile. Throws Error where they
  /// cannot be had; then none is added.
  std::vector<std::uint32_t> replicate(std::uint32_t count = 1) const;

  /// Has the model run as another graph of the same checkpoint, of other plans or shapes, while its streams go on: with
  /// the same tokens, since no graph shows in them. The new one is made beside the old one, with whose weights it
  /// shares what is alike; between two steps requests go on there, with whole blocks of 64 positions of the KV cache
  /// (where prefixes are cached and there is room); others are computed again. Waits until the old one's threads and
  /// memory are given back, and returns the numbers of the new replicas. Kinds of actors that were added after the
  /// model was loaded are unknown to it. Throws Error where it cannot be had, and invalid_argument while another change
  /// is under way; then the old one goes on. Where the process has no more cores than the old one fills, threads of the
  /// new one are not pinned.
  std::vector<std::uint32_t> replace(const Graph& graph) const;

  /// Takes a replica out of a running model: it gets no more requests, and its streams go on elsewhere, where their
  /// positions are computed again. Waits for the steps that are being run, an actor's of the host's among them; when
  /// the call is over its threads and memory are given back. Throws not_found, and invalid_argument for the last one
  /// that serves.
  void drain(std::uint32_t replica) const;

  /// Writes what the model's threads have done, as far as it is kept (LoadOptions::trace_events), in Chrome's Trace
  /// Event Format, which Perfetto and chrome://tracing open; see troupe/trace.hpp. Steps go on meanwhile. Throws
  /// invalid_argument where nothing is recorded, and `failed` where the file cannot be written.
  void write_trace(const std::string& path) const;

  [[nodiscard]] const Checkpoint& checkpoint() const;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace troupe
