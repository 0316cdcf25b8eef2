#include "runtime/device/cpu/routing.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <variant>

#include "kernels/math.hpp"
#include "runtime/program/rank_grid.hpp"

namespace troupe {
namespace {

/// The softmax's denominator, over all experts in their order.
float sum_of_exponentials(const float* scores, std::size_t experts, float largest) {
  float sum = 0.0F;
  for (std::size_t e = 0; e < experts; ++e) sum += kernels::exp_f32(scores[e] - largest);
  return sum;
}

/// The most that a step comes to; all 0 where no layer has experts.
struct Most {
  std::size_t experts = 0, routed = 0, places = 0;
  std::size_t ranks = 0, sent = 0, sent_places = 0;
};

Most most_of(const Program& program, std::size_t rows) {
  Most most;
  const auto raise = [](std::size_t& of, std::size_t to) { of = std::max(of, to); };
  const auto look = [&](const auto& op) {
    if constexpr (std::is_same_v<decltype(op), const ops::LayExperts&>) {
      const Value& choice = program.values[op.choice];
      raise(most.experts, op.experts.size());
      raise(most.routed, program.spaces[op.routed].most(rows));
      raise(most.places, program.spaces[choice.space].most(rows) * choice.columns / 2);
    } else if constexpr (std::is_same_v<decltype(op), const ops::PlanExchange&>) {
      const std::size_t ranks = program.groups[op.group].size;
      raise(most.ranks, ranks);
      raise(most.sent, program.spaces[op.sent].most(rows));
      raise(most.sent_places, program.spaces[program.values[op.choice].space].most(rows) * ranks);
    }
  };
  for (const Section& section : program.sections) {
    for (const Op& op : section.ops) std::visit(look, op.what);
  }
  return most;
}

/// The experts of one choice, as numbers; a peer's may be anything.
bool among(float expert, Range experts) {
  return expert >= static_cast<float>(experts.first) && expert < static_cast<float>(experts.last);
}

}  // namespace

void Routing::reserve(const Program& program, std::size_t rows) {
  const Most most = most_of(program, rows);
  place.reserve(most.places);
  row.reserve(most.routed);
  weight.reserve(most.routed);
  overflow.reserve(most.routed);
  first.reserve(most.experts > 0 ? most.experts + 1 : 0);
  sent_row.reserve(most.sent);
  sent_at.reserve(most.sent_places);
  gives.reserve(most.ranks);
  takes.reserve(most.ranks);
  told.reserve(most.ranks);
  all_told.reserve(most.ranks * most.ranks);
}

bool choose_experts(const float* scores, std::size_t experts, const ExpertChoice& how, float* choice) {
  float *const mine = choice, *const weights = choice + how.used;
  const auto score = [&](std::uint32_t at) { return scores[static_cast<std::size_t>(mine[at])]; };
  bool numbers = true;
  std::uint32_t held = 0;
  for (std::size_t e = 0; e < experts; ++e) {
    numbers &= !std::isnan(scores[e]);
    std::uint32_t at = held < how.used ? held : how.used - 1;
    if (held < how.used) {
      ++held;
    } else if (!(scores[e] > score(at))) {
      continue;
    }
    for (; at > 0 && scores[e] > score(at - 1); --at) mine[at] = mine[at - 1];
    mine[at] = static_cast<float>(e);
  }
  const float largest = score(0), all = sum_of_exponentials(scores, experts, largest);
  float sum = 0.0F;
  for (std::uint32_t i = 0; i < how.used; ++i) {
    weights[i] = kernels::exp_f32(score(i) - largest) / all;
    sum += weights[i];
  }
  for (std::uint32_t i = 0; i < how.used; ++i) {
    if (how.normalised) weights[i] /= sum;
    weights[i] *= how.scale;
    numbers &= std::isfinite(weights[i]);
  }
  return numbers;
}

bool Routing::lay(const float* choices, std::size_t rows, std::uint32_t of_each, Range experts, std::size_t most) {
  used = of_each;
  place.assign(rows * used, nowhere);
  first.assign(experts.size() + 1, 0);
  const auto each = [&](const auto& visit) {
    for (std::size_t i = 0; i < rows * used; ++i) {
      const float* const choice = choices + i / used * 2 * used + i % used;
      if (among(choice[0], experts)) visit(i, static_cast<std::uint32_t>(choice[0]) - experts.first, choice[used]);
    }
  };
  each([&](std::size_t, std::uint32_t expert, float) { ++first[expert + 1]; });
  for (std::size_t e = 1; e < first.size(); ++e) first[e] += first[e - 1];
  const std::size_t routed = first.back();
  if (routed > most) return false;
  row.resize(routed);
  weight.resize(routed);
  overflow.assign(routed, 0);
  each([&](std::size_t i, std::uint32_t expert, float counts) {
    const std::uint32_t at = first[expert]++;
    place[i] = at;
    row[at] = static_cast<std::uint32_t>(i / used);
    weight[at] = counts;
  });
  for (std::size_t e = first.size() - 1; e > 0; --e) first[e] = first[e - 1];
  first[0] = 0;
  return true;
}

void Routing::plan(const float* choices, std::size_t rows, std::uint32_t of_each, std::uint32_t experts,
                   std::uint32_t ranks) {
  sent_at.assign(rows * ranks, nowhere);
  sent_row.clear();
  gives.clear();
  for (std::uint32_t rank = 0; rank < ranks; ++rank) {
    const Range there = even_part(experts, rank, ranks);
    const std::size_t before = sent_row.size();
    for (std::size_t i = 0; i < rows; ++i) {
      const float* const choice = choices + i * 2 * of_each;
      if (std::none_of(choice, choice + of_each, [&](float expert) { return among(expert, there); })) continue;
      sent_at[i * ranks + rank] = static_cast<std::uint32_t>(sent_row.size());
      sent_row.push_back(static_cast<std::uint32_t>(i));
    }
    gives.push_back(sent_row.size() - before);
  }
  told.assign(gives.begin(), gives.end());
  all_told.resize(std::size_t{ranks} * ranks);
}

std::size_t routing_bytes(const Program& program, std::size_t rows) {
  const Most most = most_of(program, rows);
  if (most.experts == 0) return 0;
  const std::size_t numbers = most.places + most.routed + most.experts + 1 + most.sent + most.sent_places;
  return numbers * sizeof(std::uint32_t) + most.routed * (sizeof(float) + 1) +
         most.ranks * (2 * sizeof(std::size_t) + (1 + most.ranks) * sizeof(std::int32_t));
}

}  // namespace troupe
