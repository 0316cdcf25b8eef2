#include <algorithm>
#include <limits>
#include <utility>

#include "runtime/text/penalties.hpp"

namespace troupe {
namespace {

/// Of each end of the window, all but the whole: how many tokens before it are those at the window's end. By the
/// Z-algorithm (Gusfield, Algorithms on Strings, Trees and Sequences, 1997) from the end on, so `repeats[k]` is of the
/// end that leaves out the last k tokens.
void find_repeats(std::span<const TokenId> window, std::vector<std::uint32_t>& repeats) {
  const auto count = static_cast<std::uint32_t>(window.size());
  const auto from_end = [&](std::uint32_t i) { return window[count - 1 - i]; };
  repeats.assign(count, 0);
  std::uint32_t left = 0, right = 0;  // of what is known to be alike, the part that comes furthest
  for (std::uint32_t k = 1; k < count; ++k) {
    std::uint32_t alike = k < right ? std::min(right - k, repeats[k - left]) : 0;
    while (k + alike < count && from_end(alike) == from_end(k + alike)) ++alike;
    if (k + alike > right) {
      left = k;
      right = k + alike;
    }
    repeats[k] = alike;
  }
}

float penalty(const Sampling& sampling, std::uint32_t beyond) {
  double power = 1.0, square = sampling.dry_base;
  for (; beyond > 0; beyond /= 2, square *= square) {
    if (beyond % 2 == 1) power *= square;
  }
  constexpr double most = std::numeric_limits<float>::max();
  return static_cast<float>(std::min(sampling.dry_multiplier * power, most));
}

}  // namespace

void penalise_repeats(std::span<const TokenId> window, std::size_t behind_breaker, const SamplingTerms& terms,
                      SamplingRoom& room, std::span<float> logits) {
  const Sampling& sampling = terms.sampling;
  if (behind_breaker < sampling.dry_allowed_length) return;
  find_repeats(window, room.repeats);
  std::vector<std::uint32_t>& longest = room.counts;
  longest.resize(logits.size(), 0);
  // What followed on a repetition is the token that would make it longer.
  for (std::size_t k = 1; k < window.size(); ++k) {
    const TokenId next = window[window.size() - k];
    if (static_cast<std::size_t>(next) >= logits.size() || terms.breakers->has(next)) continue;
    longest[next] = std::max(longest[next], room.repeats[k]);
  }
  for (const TokenId token : window) {
    if (static_cast<std::size_t>(token) >= logits.size()) continue;
    const auto length = std::min<std::size_t>(std::exchange(longest[token], 0), behind_breaker);
    if (length < sampling.dry_allowed_length) continue;
    logits[token] -= penalty(sampling, static_cast<std::uint32_t>(length - sampling.dry_allowed_length));
  }
}

}  // namespace troupe
