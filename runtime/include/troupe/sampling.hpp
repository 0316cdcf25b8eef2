#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "troupe/token.hpp"

namespace troupe {

/// Added to a token's logit, before all else.
struct LogitBias {
  TokenId id = 0;
  float bias = 0.0F;  ///< between -1e6 and 1e6, or minus infinity: never
};

/// How the next token is chosen of its logits. Names, meanings and the order are llama.cpp's; but what is not set does
/// nothing. Every choice is a function of the tokens before it, the seed and the choice's number alone: the same under
/// every plan, whatever the request goes through.
struct Sampling {
  /// Logits are divided by it. 0 or less: greedy, the likeliest of what the others leave. At most 1e6.
  float temperature = 0.0F;

  /// Only so many of the likeliest. 0: all.
  std::uint32_t top_k = 0;

  /// Only the fewest of the likeliest whose probabilities reach it (Holtzman et al., The Curious Case of Neural Text
  /// Degeneration, ICLR'20). Above 0, at most 1: all.
  float top_p = 1.0F;

  std::uint64_t seed = 0;

  /// Which of several texts of one prompt and seed: each number draws its own. See Model::generate_texts.
  std::uint32_t choice = 0;

  /// Only what is at least so likely as a share of the likeliest (Nguyen et al., Turning Up the Heat: Min-p Sampling,
  /// ICLR'25). 0: all, to 1.
  float min_p = 0.0F;

  /// Only the fewest whose probabilities reach it, those first whose surprise is nearest to what is expected, the
  /// entropy (Meister et al., Locally Typical Sampling, TACL'23). Above 0, at most 1: all.
  float typical_p = 1.0F;

  /// Only logits within so many standard deviations of the largest (Tang et al., Top-nsigma: Not All Logits Are You
  /// Need, 2024). 0 or less: all. From -1 to 1e6.
  float top_n_sigma = -1.0F;

  /// Exclude Top Choices: with this probability, all that are at least xtc_threshold likely but the last of these (P.
  /// E. Weidmann, text-generation-webui pull request 6335, 2024). Both 0 to 1; probability 0: never; above a threshold
  /// of 0.5 there are no two.
  float xtc_probability = 0.0F;
  float xtc_threshold = 0.1F;

  /// Penalties on tokens that are among the last so many, the prompt's included. 0: none; -1: all.
  std::int32_t penalty_last_n = 64;
  /// Divides their logits where these are positive, multiplies the others (Keskar et al., CTRL, 2019). Above 0, at most
  /// 1e6; 1: nothing.
  float repeat_penalty = 1.0F;
  /// Taken from the logits of tokens that are there (OpenAI's API). Between -1e6 and 1e6; 0: nothing.
  float presence_penalty = 0.0F;
  /// The same, each time that a token is there.
  float frequency_penalty = 0.0F;

  /// Don't Repeat Yourself: takes dry_multiplier * dry_base ^ (n - dry_allowed_length) from the logit of a token that
  /// would make the last n tokens, dry_allowed_length at least, and itself a repetition; what repeats goes back to a
  /// breaker at most (P. E. Weidmann, text-generation-webui pull request 5677, 2024). 0: nothing, to 1e6.
  float dry_multiplier = 0.0F;
  float dry_base = 1.75F;                ///< 1 to 1e6
  std::uint32_t dry_allowed_length = 2;  ///< 1 at least
  std::int32_t dry_last_n = -1;          ///< is looked for among the last so many tokens. 0: nothing; -1: all
  /// Tokens with one of these in them are breakers, and so is one of these that is written as several tokens. At most
  /// 16, of 1 to 64 bytes each.
  std::vector<std::string> dry_breakers = {"\n", ":", "\"", "*"};

  /// Mirostat 2: of what the others leave, only what surprises by so many bits at most as keep the texts' surprise near
  /// mirostat_tau; after each token the bound is moved by mirostat_eta of the difference (Basu et al., Mirostat,
  /// ICLR'21). Its first bound is 2 * mirostat_tau.
  bool mirostat = false;
  float mirostat_tau = 5.0F;  ///< bits, 0 to 1000
  float mirostat_eta = 0.1F;  ///< 0 to 1

  std::vector<LogitBias> logit_bias{};  ///< each token once

  /// What is applied, and in which order: e penalties, d DRY, s top_n_sigma, k top_k, y typical_p, p top_p, m min_p,
  /// x XTC, t temperature; each once at most. e and d see the model's logits, so they come before the rest. Without t
  /// the temperature is 1.
  std::string order = "edskypmxt";
};

}  // namespace troupe
