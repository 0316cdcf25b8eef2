#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/text/tokenizer.hpp"

namespace troupe {

/// What ends a repetition for DRY, in one model's tokens. Immutable; any thread.
struct DryBreakers {
  std::vector<bool> tokens{};                     ///< [tokenizer's]
  std::vector<std::vector<TokenId>> sequences{};  ///< each of several tokens

  [[nodiscard]] bool has(TokenId token) const {
    return static_cast<std::size_t>(token) < tokens.size() && tokens[static_cast<std::size_t>(token)];
  }
};

/// The breakers that requests of one model asked for last, so that not each of them looks through every token. Any
/// thread.
class DryBreakerLists {
 public:
  /// Tokens with one of the texts in them, and those of the texts that are written as several tokens.
  [[nodiscard]] std::shared_ptr<const DryBreakers> of(const std::vector<std::string>& texts,
                                                      const Tokenizer& tokenizer);

 private:
  static constexpr std::size_t most = 8;

  struct List {
    std::vector<std::string> texts;
    std::shared_ptr<const DryBreakers> breakers;
  };

  [[nodiscard]] std::shared_ptr<const DryBreakers> find(const std::vector<std::string>& texts);

  std::mutex mutex_;
  std::vector<List> lists_;  ///< in the order of their last use
};

}  // namespace troupe
