#include "runtime/text/sampling_state.hpp"

#include <algorithm>

namespace troupe {

void SamplingState::begin(const SamplingTerms& terms, std::span<const TokenId> tokens, float bound) {
  surprise_bound = bound;
  tokens = tokens.first(std::min(tokens.size(), tokens_.capacity()));
  tokens_.assign(tokens.begin(), tokens.end());
  unbroken_ = terms.dry ? tokens_.size() : 0;
  while (unbroken_ > 0 && !breaks(*terms.breakers, unbroken_)) --unbroken_;
}

void SamplingState::push(const SamplingTerms& terms, TokenId token) {
  if (!terms.looks_back() || tokens_.size() == tokens_.capacity()) return;
  tokens_.push_back(token);
  if (terms.dry && breaks(*terms.breakers, tokens_.size())) unbroken_ = tokens_.size();
}

std::span<const TokenId> SamplingState::last(std::int32_t count) const {
  const std::span<const TokenId> all = tokens_;
  return count < 0 ? all : all.last(std::min(all.size(), static_cast<std::size_t>(count)));
}

/// Whether a breaker ends with the token before `end`.
bool SamplingState::breaks(const DryBreakers& breakers, std::size_t end) const {
  if (breakers.has(tokens_[end - 1])) return true;
  return std::any_of(breakers.sequences.begin(), breakers.sequences.end(), [&](const std::vector<TokenId>& sequence) {
    return sequence.size() <= end && std::equal(sequence.rbegin(), sequence.rend(),
                                                tokens_.rbegin() + static_cast<std::ptrdiff_t>(tokens_.size() - end));
  });
}

}  // namespace troupe
