#pragma once

#include <xxhash.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <semaphore>
#include <span>
#include <string>
#include <vector>

#include "tests/equality/cases.hpp"
#include "tests/equality/happening.hpp"
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
  /// `length`: tokens of the longest prompt. `tiny`: so small a model that nothing takes long.
  Subject(const std::string& path, std::size_t length, bool tiny = false, const LoadOptions& open = {});

  [[nodiscard]] const Checkpoint& checkpoint() const { return checkpoint_; }

  /// Runs prompts of so many tokens, on each replica, while what the case says happens. Empty where all bits are the
  /// same; else what is not.
  /// The reference kernels and chunks of one token get only the beginnings that they can do in a second or two.
  [[nodiscard]] std::string difference(const Case& run, std::vector<std::size_t> lengths) const;

 private:
  using Begun = std::counting_semaphore<>;
  using Odd = std::vector<float>;  ///< logits of the first position that differs
  [[nodiscard]] std::string compare(const Model& model, std::size_t length, Begun& begun) const;
  [[nodiscard]] std::string compare_behind_prefixes(const Model& model, std::size_t length) const;
  [[nodiscard]] std::string compare_on_all(const Case& run, Happening& happening, std::size_t length) const;
  [[nodiscard]] std::vector<std::size_t> bearable(const Case& run, std::vector<std::size_t> lengths) const;
  [[nodiscard]] std::string where_it_differs(std::uint32_t position, const Odd& logits) const;

  const bool tiny_;
  Runtime runtime_;
  Checkpoint checkpoint_;
  std::vector<TokenId> text_;
  std::vector<std::uint64_t> expected_;  ///< hash of the logits of each position
};

/// Some sentences, the same every time, of at least so many words.
[[nodiscard]] std::string some_text(std::size_t words);

}  // namespace troupe::testing
