#include "runtime/text/penalties.hpp"

#include <utility>

namespace troupe {

void penalise(std::span<const TokenId> window, const Sampling& sampling, SamplingRoom& room, std::span<float> logits) {
  room.counts.resize(logits.size(), 0);
  for (const TokenId token : window) {
    if (static_cast<std::size_t>(token) < logits.size()) ++room.counts[token];
  }
  for (const TokenId token : window) {
    if (static_cast<std::size_t>(token) >= logits.size() || room.counts[token] == 0) continue;
    const auto count = static_cast<float>(std::exchange(room.counts[token], 0));
    float& logit = logits[token];
    logit = logit > 0.0F ? logit / sampling.repeat_penalty : logit * sampling.repeat_penalty;
    logit -= count * sampling.frequency_penalty + sampling.presence_penalty;
  }
}

}  // namespace troupe
