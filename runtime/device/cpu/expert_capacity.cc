#include "runtime/device/cpu/expert_capacity.hpp"

#include <algorithm>
#include <cmath>

#include "runtime/device/cpu/routing.hpp"

namespace troupe {
namespace {

struct Row {
  const float *scores, *bias;
  std::size_t experts;
  const ExpertChoice& how;
  float* choice;

  [[nodiscard]] bool chose(std::size_t expert) const {
    return std::find(choice, choice + how.used, static_cast<float>(expert)) != choice + how.used;
  }
  [[nodiscard]] float rank(std::size_t expert) const { return expert_rank(scores[expert], bias, expert, how.gating); }
};

/// The best expert that the row has not chosen and that has room, or `experts`.
std::size_t next_best(const Row& row, const std::vector<std::uint32_t>& room) {
  std::size_t best = row.experts;
  for (std::size_t e = 0; e < row.experts; ++e) {
    if (room[e] == 0 || row.chose(e)) continue;
    if (best == row.experts || row.rank(e) > row.rank(best)) best = e;
  }
  return best;
}

/// The experts that are left count as if they had been chosen at once: the best first.
void weigh_again(const Row& row) {
  float *const mine = row.choice, *const end = mine + row.how.used;
  std::sort(mine, end, [&](float a, float b) {
    if (a < 0 || b < 0) return a >= 0 && b < 0;
    return row.rank(static_cast<std::size_t>(a)) > row.rank(static_cast<std::size_t>(b));
  });
  ExpertChoice left = row.how;
  left.used = static_cast<std::uint32_t>(std::find(mine, end, -1.0F) - mine);
  if (left.used > 0) (void)weigh_experts(row.scores, row.experts, left, mine, end);
}

}  // namespace

BeyondCapacity limit_experts(const float* scores, const float* bias, std::size_t rows, std::size_t experts,
                             const ExpertChoice& how, std::vector<std::uint32_t>& room, float* choices) {
  const bool reroutes = how.capacity.beyond == ExpertCapacity::Beyond::reroute;
  const double even = static_cast<double>(rows * how.used) / static_cast<double>(experts);
  const double most = std::min(std::ceil(double{how.capacity.factor} * even), static_cast<double>(rows));
  room.assign(experts, static_cast<std::uint32_t>(most));
  const auto row_at = [&](std::size_t row) {
    return Row{scores + row * experts, bias, experts, how, choices + row * 2 * how.used};
  };
  BeyondCapacity beyond;
  for (std::uint32_t k = 0; k < how.used; ++k) {
    for (std::size_t i = 0; i < rows; ++i) {
      const Row row = row_at(i);
      auto expert = static_cast<std::size_t>(row.choice[k]);
      if (room[expert] == 0) {
        expert = reroutes ? next_best(row, room) : experts;
        ++(expert < experts ? beyond.rerouted : beyond.dropped);
        row.choice[k] = expert < experts ? static_cast<float>(expert) : -1.0F;
      }
      if (expert < experts) --room[expert];
    }
  }
  for (std::size_t i = 0; reroutes && beyond.rerouted + beyond.dropped > 0 && i < rows; ++i) weigh_again(row_at(i));
  return beyond;
}

}  // namespace troupe
