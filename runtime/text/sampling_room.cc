#include "runtime/text/sampling_room.hpp"

#include "kernels/table.hpp"

namespace troupe {
namespace {

constexpr std::size_t segments_in(std::size_t vocabulary) {
  return (vocabulary + kernels::softmax_segment - 1) / kernels::softmax_segment;
}

}  // namespace

SamplingRoom::SamplingRoom(std::size_t vocabulary, std::size_t context) {
  logits.reserve(vocabulary);
  chances.reserve(vocabulary);
  segments.reserve(segments_in(vocabulary));
  weights.reserve(vocabulary);
  ids.reserve(vocabulary);
  counts.reserve(vocabulary);
  repeats.reserve(context + 1);
}

std::size_t SamplingRoom::bytes(std::size_t vocabulary, std::size_t context) {
  const std::size_t floats = 3 * vocabulary + segments_in(vocabulary);
  const std::size_t numbers = vocabulary + context + 1;
  return floats * sizeof(float) + vocabulary * sizeof(TokenId) + numbers * sizeof(std::uint32_t);
}

}  // namespace troupe
