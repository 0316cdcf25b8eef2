#include "runtime/text/sampling_terms.hpp"

#include <algorithm>

namespace troupe {
namespace {

/// Letters of the order that do nothing, as the fields are set, left out.
std::string active(const Sampling& sampling) {
  std::string all;
  for (const char letter : sampling.order) {
    const bool penalties =
        sampling.repeat_penalty != 1.0F || sampling.presence_penalty != 0.0F || sampling.frequency_penalty != 0.0F;
    const bool does = (letter == 'e' && penalties && sampling.penalty_last_n != 0) ||
                      (letter == 'd' && sampling.dry_multiplier != 0.0F && sampling.dry_last_n != 0) ||
                      (letter == 's' && sampling.top_n_sigma > 0.0F) || (letter == 'k' && sampling.top_k > 0) ||
                      (letter == 'y' && sampling.typical_p < 1.0F) || (letter == 'p' && sampling.top_p < 1.0F) ||
                      (letter == 'm' && sampling.min_p > 0.0F) || (letter == 'x' && sampling.xtc_probability > 0.0F) ||
                      (letter == 't' && sampling.temperature != 1.0F);
    if (does) all += letter;
  }
  return all;
}

bool take(std::string& letters_left, char letter) { return std::erase(letters_left, letter) > 0; }

/// top_k chooses the same ids at any temperature above 0: behind it, it costs no pass of its own.
void put_temperature_first(std::string& cuts) {
  for (std::size_t t = cuts.find('t'); t != cuts.npos && t > 0 && cuts[t - 1] == 'k'; --t) {
    std::swap(cuts[t - 1], cuts[t]);
  }
}

}  // namespace

SamplingTerms sampling_terms(const Sampling& sampling, std::uint32_t min_tokens, std::size_t prompt,
                             const Tokenizer& tokenizer, DryBreakerLists& breakers) {
  SamplingTerms terms;
  terms.sampling = sampling;
  terms.prompt = static_cast<std::uint32_t>(prompt);
  terms.min_tokens = min_tokens;
  if (min_tokens > 0) terms.ends = tokenizer.ends();
  terms.cuts = active(sampling);
  terms.penalties = take(terms.cuts, 'e');
  terms.dry = take(terms.cuts, 'd');
  if (terms.dry) terms.breakers = breakers.of(sampling.dry_breakers, tokenizer);
  const bool may_cut_likeliest = terms.cuts.find_first_of("yx") != std::string::npos;
  const bool cold = sampling.temperature <= 0.0F && terms.cuts.find('t') != std::string::npos;
  terms.greedy = cold && !may_cut_likeliest;
  if (!cold) put_temperature_first(terms.cuts);
  return terms;
}

}  // namespace troupe
