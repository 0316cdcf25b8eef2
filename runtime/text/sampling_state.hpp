#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/text/sampling_terms.hpp"

namespace troupe {

/// What of a text its sampling looks back at. A function of its tokens, but for Mirostat's bound, which is carried with
/// the text, since it follows from the logits of all positions.
class SamplingState {
 public:
  /// Memory for texts of so many positions at most: no other is allocated. What is not used is not touched.
  void reserve(std::size_t context) { tokens_.reserve(context + 1); }
  [[nodiscard]] static std::size_t bytes(std::size_t context) { return (context + 1) * sizeof(TokenId); }

  /// In place of the text before: another, of which there are these tokens, the prompt's first. Only terms that look
  /// back need any.
  void begin(const SamplingTerms& terms, std::span<const TokenId> tokens, float surprise_bound);

  /// What was sampled.
  void push(const SamplingTerms& terms, TokenId token);

  /// The last so many, -1: all.
  [[nodiscard]] std::span<const TokenId> last(std::int32_t count) const;

  /// Tokens behind the last breaker.
  [[nodiscard]] std::size_t behind_breaker() const { return tokens_.size() - unbroken_; }

  float surprise_bound = 0.0F;  ///< Mirostat's, in bits

 private:
  [[nodiscard]] bool breaks(const DryBreakers& breakers, std::size_t end) const;

  std::vector<TokenId> tokens_;
  std::size_t unbroken_ = 0;  ///< the first token behind the last breaker
};

}  // namespace troupe
