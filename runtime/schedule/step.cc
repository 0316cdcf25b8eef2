#include "runtime/schedule/step.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace troupe {

void wanted_rows(const Step& step, std::vector<WantedRow>& wanted) {
  wanted.clear();
  std::uint32_t row = 0;
  for (std::uint32_t s = 0; s < step.slices.size(); ++s) {
    const SequenceSlice& slice = step.slices[s];
    const std::uint32_t rows = slice.rows();
    for (std::uint32_t i = rows - slice.wanted; i < rows; ++i) {
      wanted.push_back({row + i, s, slice.first_position + i, slice.sample && i + 1 == rows});
    }
    row += rows;
  }
}

void StepOutcome::merge(StepOutcome&& other) {
  std::move(other.tokens.begin(), other.tokens.end(), std::back_inserter(tokens));
  std::move(other.failures.begin(), other.failures.end(), std::back_inserter(failures));
  if (!broken) broken = std::move(other.broken);
}

bool StepOutcome::failed(std::uint32_t slice) const {
  return std::any_of(failures.begin(), failures.end(),
                     [&](const SliceFailure& failure) { return failure.slice == slice; });
}

}  // namespace troupe
