#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "troupe/actor.hpp"
#include "troupe/error.hpp"
#include "troupe/graph.hpp"

namespace troupe {

using TokenId = std::int32_t;

enum class LogLevel { debug, info, warning, error };

struct RuntimeOptions {
  /// What an operator wants to know, a line each: loads and failed loads (info, error), refused requests, deadlines
  /// that passed, options that had no effect (warning), replicas that failed (error), models that closed (info). Called
  /// from any thread, from several at once too, and until the last model has closed; requests may wait for it, so it
  /// must not block. What it throws is ignored. None: silent.
  std::function<void(LogLevel, std::string_view)> log{};
  std::uint32_t control_threads = 1;  ///< threads that run the actors' messages (the work has its own)
};

/// How a checkpoint is spread and run. Its threads inherit the affinity of the thread that calls load.
struct LoadOptions {
  std::string plan{};              ///< "pp2.tp2"; empty: one shard
  std::uint32_t threads = 0;       ///< of each shard; 0: cores / ranks, at least one
  std::uint32_t context = 0;       ///< positions of a sequence; 0: the model's own
  std::uint32_t chunk = 512;       ///< tokens of a step at most, and so of a prefill chunk; 1 to 65536
  std::uint32_t parallel = 16;     ///< sequences of a replica that run at once; 1 to 1024
  std::uint32_t queue = 1024;      ///< of a replica's requests that may wait, 1 to 2^20; one more fails with queue_full
  std::uint64_t memory_limit = 0;  ///< bytes that Checkpoint::memory may promise in all; 0: no limit
  bool fusion = true;
  std::string isa{};  ///< "avx2", "avx512", "reference"; empty: the best that this processor has
  /// While weights are packed; called from one thread at a time. What it throws cancels the load, which fails with that
  /// very exception.
  std::function<void(double fraction)> progress{};

  /// Whether the file is read into memory of ours (true), or stays mapped as long as a checkpoint or model of it lives
  /// (false): then it must not be cut or overwritten meanwhile; who reads behind a cut gets SIGBUS. Not given: mapped,
  /// but on network and FUSE file systems, where others may write, copied. A copy takes the file's size in memory,
  /// beside the packed weights.
  std::optional<bool> copy{};

  /// Metadata keys that change what a model computes and that this build does not know how to obey. A file that has one
  /// is refused unless it is named here: for people who know that it does not matter to them. Counts where the file is
  /// opened.
  std::vector<std::string> ignore_keys{};
};

struct Sampling {
  float temperature = 0.0F;  ///< 0: greedy
  std::uint32_t top_k = 0;   ///< 0: all
  float top_p = 1.0F;
  std::uint64_t seed = 0;
};

struct GenerateOptions {
  std::uint32_t max_tokens = 0;  ///< 0: to the end of the text or of the context
  Sampling sampling{};
  bool ignore_end = false;                              ///< go on past the end of the text
  std::optional<std::chrono::milliseconds> deadline{};  ///< from now
  bool parse_special = true;                            ///< of a prompt that is text: see Checkpoint::tokenize
};

/// Token::id of a text that has none.
inline constexpr TokenId no_token = -1;

/// A piece of a stream. Where a text ends within a character, U+FFFD stands for what is left of it: in the text of the
/// last token where the number of tokens or the context ends the text, or, behind an end token, in a last piece that is
/// no token: its id is no_token, which is nothing to feed back.
struct Token {
  TokenId id = no_token;
  std::string text;  ///< whole UTF-8 characters; may be empty
};

/// One request's stream. Dropping it cancels the request. Movable. next() is for one thread at a time; cancel() and
/// id() for any, also while another waits in next(). One that has been moved from throws invalid_argument.
class Generation {
 public:
  class Impl;
  explicit Generation(std::shared_ptr<Impl> impl);
  Generation(Generation&&) noexcept;
  Generation& operator=(Generation&&) noexcept;
  ~Generation();

  /// Waits for the next token; empty at the end. Throws Error where the request failed, and invalid_argument where this
  /// thread is one that the model needs to go on (in on_step, a logits sink, or the log callback). Wakes the thread 60
  /// times a second at most: tokens that come faster are had several at a time, up to 16 ms late.
  [[nodiscard]] std::optional<Token> next();
  void cancel();                           ///< takes effect within one step; next() then throws `cancelled`
  [[nodiscard]] std::uint64_t id() const;  ///< what StepRow::request says

  /// For range-based loops: reads the stream to its end, once.
  class Iterator {
   public:
    using value_type = Token;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(Generation& stream) : stream_(&stream) { ++*this; }
    const Token& operator*() const { return *token_; }
    Iterator& operator++() {
      token_ = stream_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& it, std::default_sentinel_t) { return !it.token_; }

   private:
    Generation* stream_;
    std::optional<Token> token_;
  };
  [[nodiscard]] Iterator begin() { return Iterator(*this); }
  [[nodiscard]] std::default_sentinel_t end() const { return {}; }

 private:
  std::shared_ptr<Impl> impl_;
};

/// Gets the logits of one position, [vocabulary], as they are, numbers or not; positions in order; on a thread of the
/// runtime, which waits for it.
/// What it throws fails the request; an Error keeps its code. It must not wait for a request of its own model.
using LogitsSink = std::function<void(std::uint32_t position, std::span<const float> logits)>;

struct TensorInfo {
  std::string name, format;
  std::uint64_t rows, columns, bytes;
};

/// What one actor of a graph would hold, in bytes, by the rules by which it allocates.
struct ActorMemory {
  std::string actor;
  std::uint64_t weights = 0, activations = 0, other = 0;
  std::uint64_t kv_block = 0;  ///< one block of 64 positions
  std::uint64_t kv_full = 0;   ///< every sequence at its full context
  std::uint32_t kv_heads = 0;  ///< of a layer at most, duplicates over ranks counted
  [[nodiscard]] std::uint64_t total() const { return weights + activations + other + kv_full; }
};

class Model;

/// A model file: what it says, its tokenizer, and the graphs that it can be spread over. Immutable; any thread.
class Checkpoint {
 public:
  class Impl;
  explicit Checkpoint(std::shared_ptr<const Impl> impl);

  /// Keys and values as text: texts whole, numbers in the C locale, arrays as "[<count> entries]".
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> metadata() const;
  [[nodiscard]] std::vector<TensorInfo> tensors() const;
  [[nodiscard]] std::uint32_t layers() const;
  [[nodiscard]] std::uint32_t context() const;
  [[nodiscard]] std::uint32_t vocabulary() const;

  /// The ids of a text, without BOS. `parse_special`: whether control tokens that stand in it verbatim, "<|im_end|>",
  /// are these tokens, or plain text, as what a user typed should be. Tokens of the user-defined kind are parsed
  /// always. Bytes for which there is no token become the unknown one; where the tokens are of bytes they are left out.
  [[nodiscard]] std::vector<TokenId> tokenize(std::string_view text, bool parse_special = true) const;

  /// The same with BOS in front where the file asks for it, once: a text that begins with BOS gets no second one.
  [[nodiscard]] std::vector<TokenId> prompt(std::string_view text, bool parse_special = true) const;
  [[nodiscard]] std::string detokenize(std::span<const TokenId> ids) const;  ///< special tokens printed

  [[nodiscard]] Graph expand(const LoadOptions& options) const;  ///< the graph of options.plan
  [[nodiscard]] std::vector<ActorMemory> memory(const Graph& graph, const LoadOptions& options) const;
  [[nodiscard]] std::string program(const Graph& graph, const std::string& node, const LoadOptions& options) const;

  /// Every plan of at most `max_ranks` ranks with even factors, and some uneven ones, that this model allows.
  [[nodiscard]] std::vector<std::string> plans(std::uint32_t max_ranks) const;

  [[nodiscard]] const std::shared_ptr<const Impl>& impl() const { return impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

/// A checkpoint at work: a graph of actors. Copies share it; the last one, or the last Generation, stops it, and waits
/// for the steps that are being run. On a thread of the runtime (in on_step, a logits sink, the log callback) nobody
/// can wait for that: there another thread does it, later, and the host's callbacks must live on until the log says
/// "closed". Any thread. One that has been moved from throws invalid_argument; a child of fork(), where no other thread
/// lives, must not use it, but may destroy it.
class Model {
 public:
  class Impl;
  explicit Model(std::shared_ptr<Impl> impl);

  /// Starts a request. Throws Error: an unknown id, a prompt past the context, a full queue.
  [[nodiscard]] Generation generate(std::string_view prompt, const GenerateOptions& options = {}) const;
  [[nodiscard]] Generation generate(std::vector<TokenId> prompt, const GenerateOptions& options = {}) const;

  /// Logits after the ids' last position, or after every one; waits until all have been given to `sink`.
  void logits(std::vector<TokenId> ids, bool every_position, const LogitsSink& sink) const;

  [[nodiscard]] const Checkpoint& checkpoint() const;

 private:
  std::shared_ptr<Impl> impl_;
};

/// Where everything lives: the registries, the actors' threads, and the cores that models are pinned to. No global
/// state; several may stand side by side. Its threads are started with the first model; a child of fork() makes a
/// Runtime of its own. Any thread.
class Runtime {
 public:
  class Impl;
  explicit Runtime(RuntimeOptions options = {});

  /// Adds a kind of actor of the host's own, for graphs to name. Throws Error where the name is taken.
  void add_actor(const std::string& kind, ActorFactory factory);

  /// Opens and checks a model file; of the options, `copy` and `ignore_keys` count. Throws Error.
  [[nodiscard]] Checkpoint open(const std::string& path, const LoadOptions& options = {}) const;

  /// Packs the weights and starts the actors of a plan, or of a graph; beside a graph, a plan or number of threads that
  /// says something else has no effect, and is logged. Throws Error; of a graph it names all that is wrong.
  [[nodiscard]] Model load(const std::string& path, const LoadOptions& options = {}) const;
  [[nodiscard]] Model load(const Checkpoint& checkpoint, const LoadOptions& options = {}) const;
  [[nodiscard]] Model load(const Checkpoint& checkpoint, const Graph& graph, const LoadOptions& options = {}) const;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace troupe
