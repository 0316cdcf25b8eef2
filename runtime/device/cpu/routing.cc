#include "runtime/device/cpu/routing.hpp"

#include <algorithm>
#include <cmath>
#include <variant>

#include "kernels/math.hpp"

namespace troupe {
namespace {

/// The softmax's denominator, over all experts in their order.
float sum_of_exponentials(const float* scores, std::size_t experts, float largest) {
  float sum = 0.0F;
  for (std::size_t e = 0; e < experts; ++e) sum += kernels::exp_f32(scores[e] - largest);
  return sum;
}

/// The most that a step comes to; both 0 where no layer has experts.
struct Most {
  std::size_t experts = 0, routed = 0;
};

Most most_of(const Program& program, std::size_t rows) {
  Most most;
  for (const Section& section : program.sections) {
    for (const Op& op : section.ops) {
      const auto* route = std::get_if<ops::Route>(&op.what);
      if (route == nullptr) continue;
      most.experts = std::max<std::size_t>(most.experts, program.values[route->scores].columns);
      most.routed = std::max(most.routed, program.spaces[route->routed].most(rows));
    }
  }
  return most;
}

}  // namespace

void Routing::reserve(const Program& program, std::size_t rows) {
  const auto [experts, routed] = most_of(program, rows);
  if (experts == 0) return;
  for (auto* numbers : {&chosen, &place, &row}) numbers->reserve(routed);
  for (auto* numbers : {&chosen_weight, &weight}) numbers->reserve(routed);
  overflow.reserve(routed);
  first.reserve(experts + 1);
}

void Routing::begin(std::size_t rows, std::uint32_t used, std::size_t experts) {
  const std::size_t routed = rows * used;
  for (auto* numbers : {&chosen, &place, &row}) numbers->resize(routed);
  for (auto* numbers : {&chosen_weight, &weight}) numbers->resize(routed);
  overflow.assign(routed, 0);
  first.assign(experts + 1, 0);
}

bool Routing::choose(std::size_t of_row, const float* scores, std::size_t experts, const ExpertChoice& choice) {
  std::uint32_t* const mine = chosen.data() + of_row * choice.used;
  float* const weights = chosen_weight.data() + of_row * choice.used;
  bool numbers = true;
  std::uint32_t held = 0;
  for (std::size_t e = 0; e < experts; ++e) {
    numbers &= !std::isnan(scores[e]);
    std::uint32_t at = held < choice.used ? held : choice.used - 1;
    if (held < choice.used) {
      ++held;
    } else if (!(scores[e] > scores[mine[at]])) {
      continue;
    }
    for (; at > 0 && scores[e] > scores[mine[at - 1]]; --at) mine[at] = mine[at - 1];
    mine[at] = static_cast<std::uint32_t>(e);
  }
  const float largest = scores[mine[0]], all = sum_of_exponentials(scores, experts, largest);
  float sum = 0.0F;
  for (std::uint32_t i = 0; i < choice.used; ++i) {
    weights[i] = kernels::exp_f32(scores[mine[i]] - largest) / all;
    sum += weights[i];
  }
  for (std::uint32_t i = 0; i < choice.used; ++i) {
    if (choice.normalised) weights[i] /= sum;
    weights[i] *= choice.scale;
    numbers &= std::isfinite(weights[i]);
  }
  return numbers;
}

void Routing::lay(std::size_t rows, std::uint32_t used) {
  for (const std::uint32_t expert : chosen) ++first[expert + 1];
  for (std::size_t e = 1; e < first.size(); ++e) first[e] += first[e - 1];
  for (std::size_t choice = 0; choice < rows * used; ++choice) {
    const std::uint32_t at = first[chosen[choice]]++;
    place[choice] = at;
    row[at] = static_cast<std::uint32_t>(choice / used);
    weight[at] = chosen_weight[choice];
  }
  for (std::size_t e = first.size() - 1; e > 0; --e) first[e] = first[e - 1];
  first[0] = 0;
}

std::size_t routing_bytes(const Program& program, std::size_t rows) {
  const auto [experts, routed] = most_of(program, rows);
  if (experts == 0) return 0;
  return routed * (3 * sizeof(std::uint32_t) + 2 * sizeof(float) + 1) + (experts + 1) * sizeof(std::uint32_t);
}

}  // namespace troupe
