#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/text/dry_breakers.hpp"
#include "troupe/sampling.hpp"

namespace troupe {

/// How the tokens of one request are sampled: what was asked for, checked, and what of it does anything. Immutable; any
/// thread.
struct SamplingTerms {
  Sampling sampling{};
  std::uint32_t prompt = 0;                       ///< tokens, as it was asked for
  std::uint32_t min_tokens = 0;                   ///< none of `ends` before so many
  std::vector<TokenId> ends{};                    ///< empty where min_tokens is 0
  std::shared_ptr<const DryBreakers> breakers{};  ///< null where DRY does nothing

  bool penalties = false, dry = false;
  bool greedy = true;  ///< whatever else is cut, the likeliest is left and taken
  std::string cuts{};  ///< letters of Sampling::order, without those two

  [[nodiscard]] bool looks_back() const { return penalties || dry; }
  [[nodiscard]] bool changes_logits() const { return looks_back() || min_tokens > 0 || !sampling.logit_bias.empty(); }
};

/// An error names the first field that is out of its bounds (see Sampling), of what was asked for one request of a
/// model that has so many tokens.
[[nodiscard]] Result<void> check_sampling(const Sampling& sampling, std::size_t vocabulary);

/// Of a request with a prompt of so many tokens; `breakers` are the model's. Precondition: they have been checked.
[[nodiscard]] SamplingTerms sampling_terms(const Sampling& sampling, std::uint32_t min_tokens, std::size_t prompt,
                                           const Tokenizer& tokenizer, DryBreakerLists& breakers);

}  // namespace troupe
