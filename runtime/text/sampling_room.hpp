#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "troupe/token.hpp"

namespace troupe {

/// Memory in which rows of so many logits at most are sampled from, one after the other, in texts of so many positions
/// at most: no step allocates any. What is not used is not touched. One thread at a time.
class SamplingRoom {
 public:
  SamplingRoom(std::size_t vocabulary, std::size_t context);
  [[nodiscard]] static std::size_t bytes(std::size_t vocabulary, std::size_t context);

  std::vector<float> logits, chances, segments, weights;
  std::vector<TokenId> ids;
  std::vector<std::uint32_t> counts;   ///< [vocabulary], all zero between uses
  std::vector<std::uint32_t> repeats;  ///< [positions]
};

}  // namespace troupe
