#pragma once

#include <catch2/catch.hpp>
#include <limits>
#include <random>
#include <vector>

#include "runtime/text/sampling.hpp"
#include "tests/runtime/tokenizer_fixture.hpp"
#include "tests/seed.hpp"

namespace troupe::testing {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

inline const Tokenizer& tiny_tokenizer() {
  static const LoadedTokenizer loaded = load_tokenizer(tiny_bpe().bpe()).value();
  return *loaded.tokenizer;
}

inline SamplingTerms terms_of(const Sampling& sampling, std::uint32_t min_tokens = 0, std::size_t prompt = 0) {
  DryBreakerLists breakers;
  return sampling_terms(sampling, min_tokens, prompt, tiny_tokenizer(), breakers);
}

/// The same token from every instruction set.
inline TokenId pick(const std::vector<float>& logits, const Sampling& sampling, std::uint32_t position = 0) {
  SamplingRoom room(logits.size(), 0);
  const SamplingTerms terms = terms_of(sampling);
  float bound = 2 * sampling.mirostat_tau;
  const TokenId first = sample(logits, terms, position, bound, *kernels::tables()[0], room);
  const float bound_then = bound;
  for (const kernels::KernelTable* table : kernels::tables()) {
    bound = 2 * sampling.mirostat_tau;
    REQUIRE(sample(logits, terms, position, bound, *table, room) == first);
    REQUIRE(bound == bound_then);
  }
  REQUIRE(first >= 0);
  REQUIRE(static_cast<std::size_t>(first) < logits.size());
  return first;
}

/// How often each id is drawn.
inline std::vector<std::uint32_t> counts_of(const std::vector<float>& logits, const Sampling& sampling,
                                            std::uint32_t draws) {
  SamplingRoom room(logits.size(), 0);
  const SamplingTerms terms = terms_of(sampling);
  std::vector<std::uint32_t> seen(logits.size(), 0);
  for (std::uint32_t position = 0; position < draws; ++position) {
    float bound = 2 * sampling.mirostat_tau;
    ++seen[sample(logits, terms, position, bound, *kernels::find_table(), room)];
  }
  return seen;
}

inline std::vector<float> random_logits(Random& random, std::size_t size, float width) {
  std::normal_distribution<float> normal(0.0F, width);
  std::vector<float> logits(size);
  for (float& logit : logits) logit = normal(random);
  return logits;
}

}  // namespace troupe::testing
