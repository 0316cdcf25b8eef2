#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "troupe/expert_capacity.hpp"
#include "troupe/graph.hpp"
#include "troupe/token.hpp"

namespace troupe {

/// A model file that is in memory already. The bytes must stay as they are as long as a checkpoint or model of them
/// lives, unless LoadOptions::copy says that they are copied; `owner` is kept as long, and dropped on any thread.
struct FileInMemory {
  std::span<const std::byte> bytes{};
  std::shared_ptr<const void> owner{};
  std::string name = "(memory)";  ///< what messages call it
};

/// An open descriptor of a regular file, read from its beginning wherever it stands. It stays the caller's, who may
/// close it when the call is over.
struct FileDescriptor {
  int number = -1;
  std::string name{};  ///< what messages call it; empty: "descriptor <number>"
};

/// Where a model file is: a path, memory, or a descriptor. Of a model in parts it is the first; the others are found by
/// its path, "NAME-00001-of-00003.gguf", beside it, and not where it is no path.
using ModelSource = std::variant<std::string, FileInMemory, FileDescriptor>;

/// A LoRA adapter in llama.cpp's GGUF format, and how much of it is added to the model.
struct AdapterFile {
  std::string path;
  float scale = 1.0F;
};

/// How a checkpoint is spread and run. Its threads inherit the affinity of the thread that calls load.
struct LoadOptions {
  std::string plan{};              ///< "pp2.tp2"; empty: one shard
  std::uint32_t threads = 0;       ///< of each shard; 0: cores / ranks, at least one
  std::uint32_t context = 0;       ///< positions of a sequence, 2^20 or the model's own at most; 0: its own
  std::uint32_t chunk = 512;       ///< tokens of a step at most, and so of a prefill chunk; 1 to 65536
  std::uint32_t parallel = 16;     ///< sequences of a replica that run at once; 1 to 1024
  std::uint32_t queue = 1024;      ///< of a replica's requests that may wait, 1 to 2^20; one more fails with queue_full
  std::uint64_t memory_limit = 0;  ///< bytes that Checkpoint::memory may promise in all; 0: no limit
  bool fusion = true;              ///< of ops, by the rules of the devices
  std::string isa{};  ///< "avx2", "avx512"; "neon", "dotprod", "i8mm"; "reference"; empty: the best of this processor

  /// While weights are packed; called from one thread at a time. What it throws cancels the load, which fails with that
  /// very exception.
  std::function<void(double fraction)> progress{};

  /// Whether the file is read into memory of ours (true), or stays mapped as long as a checkpoint or model of it lives
  /// (false): then it must not be cut or overwritten meanwhile; who reads behind a cut gets SIGBUS. Not given: mapped,
  /// but on network and FUSE file systems, where others may write, copied. A copy takes the file's size in memory,
  /// beside the packed weights. A file that is in memory is copied where this is true.
  std::optional<bool> copy{};

  /// Metadata keys that change what a model computes and that this build does not know how to obey. A file that has one
  /// is refused unless it is named here: for people who know that it does not matter to them. Counts where the file is
  /// opened.
  std::vector<std::string> ignore_keys{};

  /// Added to the model, one after the other, by products of their own: its weights stay as they are, and where they
  /// are shared. One that does not fit the model in all that it has is refused. Counts where the file is opened.
  std::vector<AdapterFile> adapters{};

  /// Experts that each row goes to, of a model that has some; 0: as many as its file says, and at most all. Another
  /// number is another model: its logits are others. Counts where the file is opened.
  std::uint32_t experts_used = 0;

  /// Of a model that has experts. Counts where the file is opened.
  ExpertCapacity expert_capacity{};

  /// With `fusion`: of the devices' rules, which Checkpoint::program names, these alone; empty: all. Which ones changes
  /// time and memory, and no bits.
  std::vector<std::string> fusion_rules{};

  /// Bytes for the KV of a replica, all of its shards together; 0: enough for `parallel` sequences at full context.
  /// With less, requests wait for memory, and the youngest give theirs back and are computed again later; none fails
  /// that could have run alone, and no token is sent twice. Less than one sequence needs at full context is refused.
  std::uint64_t kv_memory = 0;

  /// Of a replica's weights, the share that memory may have, more than 0: the others are read from disk in every step,
  /// layer by layer, while those before them are computed. Changes time, and no bits. Less than the output head and three
  /// layers of each shard take is refused, with the least that works. Checkpoint::memory counts the buffers in.
  double weights_budget = 1.0;

  /// Of a shard's experts, the share that memory has room for, more than 0: the others are read from disk when rows go to
  /// them, or earlier where that is foreseen, and those that are needed soonest are kept. Room for all experts of a
  /// layer and four more is the least. What is left to `weights_budget` are the other weights.
  double experts_budget = 1.0;

  /// Where what is read from disk is kept, packed, for this load and later ones; nothing of it is ever removed. Empty:
  /// "troupe/packed" in $XDG_CACHE_HOME, or in ~/.cache.
  std::string weights_folder{};

  /// Whether prompts that begin alike share their KV; see GenerateOptions::cache_salt. Not in a replica where an actor
  /// of the host's takes hidden states: it sees every row.
  bool prefix_cache = true;

  /// A request goes to the replica that owes the fewest tokens, prompts' and those that may still be generated; of its
  /// prompt's, each that the replica's cache has counts so many less, from 0 (what caches have does not count) to 10^6.
  float prefix_weight = 1.0F;

  /// Events that each thread of the model keeps for Model::write_trace, the latest, in 48 bytes each beside what
  /// `memory_limit` counts; at most 2^24. 0: nothing is recorded.
  std::uint32_t trace_events = 0;

  /// How often experts are dealt out anew by what they have had to do since, where the plan has ep and that is worth a
  /// change: see Graph::balance_experts and Model::replace. Not while there are more or fewer replicas than the graph
  /// has. 0: never.
  std::chrono::milliseconds balance_experts{0};

  /// Ends a load that is under way with Code::cancelled, and one that takes longer with Code::deadline; looked at
  /// before each piece of weights that is packed. Later they count for nothing.
  std::stop_token cancel{};
  std::optional<std::chrono::milliseconds> deadline{};
};

struct TensorInfo {
  std::string name, format;
  std::uint64_t rows, columns, bytes;
};

/// What one actor of a graph would hold, in bytes, by the rules by which it allocates.
struct ActorMemory {
  std::string actor;
  std::uint64_t weights = 0, activations = 0, other = 0;
  std::uint64_t kv_block = 0;  ///< one block of 64 positions
  std::uint64_t kv_full = 0;   ///< every sequence at its full context, or what kv_memory allows
  std::uint32_t kv_heads = 0;  ///< of each layer, duplicates over ranks counted
  [[nodiscard]] std::uint64_t total() const { return weights + activations + other + kv_full; }
};

/// A model file: what it says, its tokenizer, and the graphs that it can be spread over. Immutable; any thread. One
/// that was opened for its tokenizer alone (Runtime::open_tokenizer) has no model: there `context`, `layers` and
/// `plans` are empty or 0, and expand, memory, program and Runtime::load throw unsupported.
class Checkpoint {
 public:
  class Impl;
  explicit Checkpoint(std::shared_ptr<const Impl> impl);

  [[nodiscard]] bool has_model() const;

  /// Keys and values as text: texts whole, numbers in the C locale, arrays as "[<count> entries]".
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> metadata() const;
  [[nodiscard]] std::vector<TensorInfo> tensors() const;
  [[nodiscard]] std::uint32_t layers() const;
  [[nodiscard]] std::uint32_t context() const;
  [[nodiscard]] std::uint32_t vocabulary() const;  ///< ids that it knows: the model's, or without one the tokenizer's

  /// The ids of a text, without BOS. `parse_special`: whether control tokens that stand in it verbatim, "<|im_end|>",
  /// are these tokens, or plain text, as what a user typed should be. Tokens of the user-defined kind are parsed
  /// always. Bytes for which there is no token become the unknown one; where the tokens are of bytes they are left out.
  [[nodiscard]] std::vector<TokenId> tokenize(std::string_view text, bool parse_special = true) const;

  /// The ids of a text in parts, without BOS: as of the whole text, whose words may reach from one part into the next,
  /// but a control token is one only where all of it stands in trusted parts.
  [[nodiscard]] std::vector<TokenId> tokenize(std::span<const TextSpan> parts) const;

  /// The ids of a text with BOS in front where the file asks for it, once: a text that begins with BOS gets no second
  /// one. Of parts, only a trusted one counts as such.
  [[nodiscard]] std::vector<TokenId> prompt(std::string_view text, bool parse_special = true) const;
  [[nodiscard]] std::vector<TokenId> prompt(std::span<const TextSpan> parts) const;

  /// The prompt of a conversation, in JSON: a list of messages in OpenAI's form, and one of tools, or nothing. As the
  /// file's own chat template writes it, or, where it has none that can be read, as ChatML; see troupe/chat.hpp.
  [[nodiscard]] std::vector<TokenId> chat(std::string_view messages, std::string_view tools = {}) const;

  /// The text of ids, special tokens printed: of tokenize's, the text that they were made of.
  [[nodiscard]] std::string detokenize(std::span<const TokenId> ids) const;

  [[nodiscard]] Graph expand(const LoadOptions& options) const;  ///< the graph of options.plan
  [[nodiscard]] std::vector<ActorMemory> memory(const Graph& graph, const LoadOptions& options) const;
  [[nodiscard]] std::string program(const Graph& graph, const std::string& node, const LoadOptions& options) const;

  /// Every plan of at most `max_ranks` ranks with even factors, and some uneven ones, that this model allows.
  [[nodiscard]] std::vector<std::string> plans(std::uint32_t max_ranks) const;

  [[nodiscard]] const std::shared_ptr<const Impl>& impl() const { return impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

}  // namespace troupe
