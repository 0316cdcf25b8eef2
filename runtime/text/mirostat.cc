#include "runtime/text/mirostat.hpp"

#include <algorithm>

namespace troupe {
namespace {

constexpr double ln2 = 0.69314718055994530942;

}  // namespace

void keep_below_surprise(const Candidates& candidates, float bits) {
  const double least = std::min(candidates.whole() - bits * ln2, 0.0);
  for (float& chance : candidates.chances()) chance = chance >= least ? chance : no_chance;
}

float next_surprise_bound(const Candidates& candidates, TokenId token, const Sampling& sampling, float bound) {
  const double surprise = (double{candidates.whole()} - candidates.chances()[token]) / ln2;
  return static_cast<float>(bound - sampling.mirostat_eta * (surprise - sampling.mirostat_tau));
}

}  // namespace troupe
