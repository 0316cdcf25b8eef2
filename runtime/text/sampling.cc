#include "runtime/text/sampling.hpp"

#include <algorithm>
#include <cmath>

#include "runtime/text/candidates.hpp"
#include "runtime/text/cuts.hpp"
#include "runtime/text/mirostat.hpp"
#include "runtime/text/penalties.hpp"
#include "runtime/text/random.hpp"

namespace troupe {
namespace {

/// What a choice's random numbers are for.
constexpr std::uint32_t of_draw = 0, of_xtc = 1;

void add_bias(const std::vector<LogitBias>& biases, std::span<float> logits) {
  for (const auto& [id, bias] : biases) {
    if (static_cast<std::size_t>(id) >= logits.size()) continue;
    logits[id] = bias == no_chance ? no_chance : logits[id] + bias;
  }
}

void set_temperature(const Candidates& candidates, float temperature) {
  temperature > 0.0F ? scale(candidates, temperature) : keep_likeliest(candidates);
}

void cut(const Candidates& candidates, char letter, const Sampling& sampling, std::uint32_t position) {
  switch (letter) {
    case 's':
      return keep_top_n_sigma(candidates, sampling.top_n_sigma);
    case 'k':
      return keep_top_k(candidates, sampling.top_k);
    case 'y':
      return keep_typical(candidates, sampling.typical_p);
    case 'p':
      return keep_top_p(candidates, sampling.top_p);
    case 'm':
      return keep_min_p(candidates, sampling.min_p);
    case 't':
      return set_temperature(candidates, sampling.temperature);
    default:
      if (uniform(sampling.seed, position, sampling.choice, of_xtc) < sampling.xtc_probability) {
        exclude_top_choices(candidates, sampling.xtc_threshold);
      }
  }
}

}  // namespace

const char* fault_of(std::span<const float> logits) {
  const std::size_t half = logits.size() / 2;
  const float *first = logits.data(), *second = first + half;
  std::uint32_t no_number = static_cast<std::uint32_t>(std::isnan(logits.back()));
  // Two at a time and without a branch, so that the compiler makes vectors of them.
  for (std::size_t i = 0; i < half; ++i) {
    no_number |= static_cast<std::uint32_t>(std::isunordered(first[i], second[i]));
  }
  if (no_number != 0) return "a logit is not a number";
  const bool possible = std::any_of(logits.begin(), logits.end(), [](float logit) { return logit > no_chance; });
  return possible ? nullptr : "no token is left, every logit is minus infinity";
}

std::span<const float> adjusted(std::span<const float> logits, const SamplingTerms& terms, const SamplingState& state,
                                std::uint32_t position, SamplingRoom& room) {
  if (!terms.changes_logits()) return logits;
  const Sampling& sampling = terms.sampling;
  room.logits.assign(logits.begin(), logits.end());
  const std::span<float> changed = room.logits;
  add_bias(sampling.logit_bias, changed);
  if (terms.penalties) penalise(state.last(sampling.penalty_last_n), sampling, room, changed);
  if (terms.dry) {
    penalise_repeats(state.last(sampling.dry_last_n), state.behind_breaker(), terms, room, changed);
  }
  const std::uint32_t sampled = position + 1 - terms.prompt;
  for (const TokenId end : terms.ends) {
    if (sampled < terms.min_tokens && static_cast<std::size_t>(end) < changed.size()) changed[end] = no_chance;
  }
  return changed;
}

TokenId sample(std::span<const float> logits, const SamplingTerms& terms, std::uint32_t position, float& surprise_bound,
               const kernels::KernelTable& kernels, SamplingRoom& room) {
  const std::size_t best = kernels.argmax(logits.data(), logits.size());
  if (terms.greedy || !(logits[best] > no_chance)) return static_cast<TokenId>(best);
  const Sampling& sampling = terms.sampling;
  std::string_view cuts = terms.cuts;
  const bool warm = cuts.starts_with('t') && sampling.temperature > 0.0F;
  if (warm) cuts.remove_prefix(1);
  const Candidates candidates = candidates_of(logits, warm ? sampling.temperature : 1.0F, kernels, room);
  for (const char letter : cuts) cut(candidates, letter, sampling, position);
  if (sampling.mirostat) keep_below_surprise(candidates, surprise_bound);
  const TokenId token = draw(candidates, uniform(sampling.seed, position, sampling.choice, of_draw));
  if (sampling.mirostat) surprise_bound = next_surprise_bound(candidates, token, sampling, surprise_bound);
  return token;
}

}  // namespace troupe
