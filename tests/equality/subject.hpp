#pragma once

#include <xxhash.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "tests/equality/cases.hpp"
#include "troupe/troupe.hpp"

namespace troupe::testing {

/// The hash that `troupe logits --all` prints, of the float bits of every position so far.
class RunningHash {
 public:
  RunningHash() : state_(XXH3_createState(), XXH3_freeState) { XXH3_64bits_reset(state_.get()); }
  std::uint64_t add(std::span<const float> logits) {
    XXH3_64bits_update(state_.get(), logits.data(), logits.size_bytes());
    return XXH3_64bits_digest(state_.get());
  }

 private:
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state_;
};

/// A model, a text, and the logits that follow each of its tokens: those of one shard with one thread and whole chunks.
/// Logits depend on the tokens before them only, so the text's beginnings are prompts with known answers as well.
class Subject {
 public:
  /// `length`: tokens of the longest prompt.
  Subject(const std::string& path, std::size_t length);

  [[nodiscard]] const Checkpoint& checkpoint() const { return checkpoint_; }
  [[nodiscard]] std::span<const TokenId> text() const { return text_; }
  [[nodiscard]] Model load(const Case& run) const;

  /// Runs prompts of so many tokens, on each replica. Empty where all bits are the same; else what is not.
  /// The reference kernels and chunks of one token get only the beginnings that they can do in a second or two.
  [[nodiscard]] std::string difference(const Case& run, std::vector<std::size_t> lengths) const;

 private:
  [[nodiscard]] std::string compare(const Model& model, std::size_t length) const;
  [[nodiscard]] std::size_t values_that_differ(std::uint32_t position, std::span<const float> logits) const;

  Runtime runtime_;
  Checkpoint checkpoint_;
  std::vector<TokenId> text_;
  std::vector<std::uint64_t> expected_;  ///< RunningHash after each position
};

/// Some sentences, the same every time, of at least so many words.
[[nodiscard]] std::string some_text(std::size_t words);

}  // namespace troupe::testing
