#include "runtime/text/logprobs.hpp"

#include <algorithm>
#include <numeric>

#include "runtime/text/candidates.hpp"

namespace troupe {

std::vector<TokenLogprob> logprobs(std::span<const float> logits, TokenId chosen, std::uint32_t count,
                                   const kernels::KernelTable& kernels, SamplingRoom& room) {
  const Candidates candidates = candidates_of(logits, 1.0F, kernels, room);
  const std::vector<float>& x = room.chances;
  std::vector<TokenId>& ids = room.ids;
  const float whole = candidates.whole();
  ids.resize(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto last = ids.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(count, ids.size()));
  std::partial_sort(ids.begin(), last, ids.end(), candidates.likelier());
  std::vector<TokenLogprob> result{{chosen, x[chosen] - whole}};
  for (auto id = ids.begin(); id != last && x[*id] > no_chance; ++id) result.push_back({*id, x[*id] - whole});
  return result;
}

}  // namespace troupe
