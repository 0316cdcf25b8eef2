#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "troupe/error.hpp"
#include "troupe/sampling.hpp"
#include "troupe/token.hpp"

namespace troupe {

/// What is asked of one request.
struct GenerateOptions {
  std::uint32_t max_tokens = 0;  ///< 0: to the end of the text or of the context
  Sampling sampling{};
  std::uint32_t min_tokens = 0;  ///< no token that ends the text before so many; stop strings still do
  bool ignore_end = false;       ///< go on past the end of the text
  std::optional<std::chrono::milliseconds> deadline{};  ///< from now
  bool parse_special = true;                            ///< of a prompt that is text: see Checkpoint::tokenize

  /// The text ends before the first of these that it would hold, which is not shown, nor any part of it. They are
  /// looked for in what is generated, as it is shown: not in the prompt, and not in control tokens, which show nothing.
  /// Of two that are complete at the same byte the longer one counts. At most 16, of 1 to 256 bytes of UTF-8 each.
  std::vector<std::string> stop{};

  /// Token::logprobs: of each token, and of so many of the likeliest, 0 to 20. They are the model's own (and those of
  /// actors that change logits): sampling, biases among it, does not count. The same bits under every plan.
  std::optional<std::uint32_t> logprobs{};

  /// Of those that wait, the highest comes first; of equals the oldest. What runs already is not stopped for it, but
  /// where memory for KV is short (LoadOptions::kv_memory) the lowest waits first.
  std::int32_t priority = 0;

  /// Requests share the KV of prompts that begin alike only where their salts are equal, so that nobody can find out,
  /// by the time that it takes, what others have asked: give each tenant one. Any bytes, 1024 at most.
  std::string cache_salt{};

  /// For the host's own actors, which see it with every row of the request (StepRow::user). Any bytes; the runtime does
  /// not look at them.
  std::string user{};
};

/// Why a stream has ended.
enum class FinishReason {
  end,        ///< the model ended its text
  stop,       ///< a stop string: Finish::stop
  length,     ///< GenerateOptions::max_tokens
  context,    ///< the model's context is full
  cancelled,  ///< the host cancelled or dropped it; this and what follows come with Finish::error
  deadline,   ///< GenerateOptions::deadline has passed
  error,      ///< it failed
};

/// "end", "stop", ...
[[nodiscard]] const char* to_string(FinishReason reason);

struct Usage {
  std::uint32_t prompt_tokens = 0;
  std::uint32_t cached_tokens = 0;  ///< of the prompt's, those that were not computed again: the prefix cache had them
  std::uint32_t generated_tokens = 0;      ///< those that the stream was given, whether their text was shown or not
  std::chrono::nanoseconds first_token{};  ///< from generate() to the first token; 0 where there was none
};

/// How a stream has ended.
struct Finish {
  FinishReason reason = FinishReason::end;
  Usage usage{};
  std::string stop{};            ///< the stop string that ended it, where one did
  std::optional<Error> error{};  ///< of the reasons cancelled, deadline and error
};

/// A request under way, from any thread. Copies are the same request; to drop them does nothing: it goes on. One that
/// has been moved from throws invalid_argument.
class Request {
 public:
  class Impl;
  explicit Request(std::shared_ptr<Impl> impl);

  /// What StepRow::request says.
  [[nodiscard]] std::uint64_t id() const;

  /// Takes effect within one step, and ends the stream with FinishReason::cancelled; nothing where it has ended.
  /// In a child of fork() it throws invalid_argument.
  void cancel() const;

 private:
  std::shared_ptr<Impl> impl_;
};

/// Gets a stream, without a thread of the host's for it: one function may serve thousands, and tells them apart by
/// Request::id(). Both are called on threads of the runtime; of one stream never two at once, and in order: on_token
/// for each token, then on_finish, once, whatever happens: when the text has ended, or else when its model closes. The
/// first may come before generate() has returned. After on_finish the two functions are destroyed, on that thread.
///
/// They must not block: other streams wait meanwhile, and where shards fill every core, so do the shards. So what would
/// wait for this model (Generation::next, Model::logits) throws invalid_argument in them. They may call generate(),
/// cancel() and stats(), and drop whatever they want, the model too. What on_token throws ends its request with that
/// error (an Error keeps its code, anything else becomes `failed`), and on_token is not called again; what on_finish
/// throws is logged and ignored.
struct StreamCallbacks {
  std::function<void(const Request& request, Token token)> on_token{};
  std::function<void(const Request& request, Finish finish)> on_finish{};
};

}  // namespace troupe
