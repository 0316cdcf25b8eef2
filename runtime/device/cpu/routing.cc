#include "runtime/device/cpu/routing.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
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

float sigmoid(float x) { return 1.0F / (1.0F + kernels::exp_f32(-x)); }

void rank_experts(const float* scores, const float* bias, std::size_t experts, Gating gating, float* ranks) {
  for (std::size_t e = 0; e < experts; ++e) ranks[e] = expert_rank(scores[e], bias, e, gating);
}

/// The numbers of the experts that rank highest; false where one ranks nowhere.
bool choose_highest(const float* ranks, std::size_t experts, std::uint32_t used, float* mine) {
  const auto rank = [&](std::uint32_t at) { return ranks[static_cast<std::size_t>(mine[at])]; };
  bool numbers = true;
  std::uint32_t held = 0;
  for (std::size_t e = 0; e < experts; ++e) {
    numbers &= !std::isnan(ranks[e]);
    std::uint32_t at = held < used ? held : used - 1;
    if (held < used) {
      ++held;
    } else if (!(ranks[e] > rank(at))) {
      continue;
    }
    for (; at > 0 && ranks[e] > rank(at - 1); --at) mine[at] = mine[at - 1];
    mine[at] = static_cast<float>(e);
  }
  return numbers;
}

/// What those count, before they are normalised.
void weigh_chosen(const float* scores, std::size_t experts, const ExpertChoice& how, const float* mine,
                  float* weights) {
  const auto score = [&](std::uint32_t at) { return scores[static_cast<std::size_t>(mine[at])]; };
  if (how.gating == Gating::sigmoid) {
    for (std::uint32_t i = 0; i < how.used; ++i) weights[i] = sigmoid(score(i));
    return;
  }
  const float largest = score(0);
  for (std::uint32_t i = 0; i < how.used; ++i) weights[i] = kernels::exp_f32(score(i) - largest);
  const float all = how.gating == Gating::softmax ? sum_of_exponentials(scores, experts, largest)
                                                  : std::accumulate(weights, weights + how.used, 0.0F);
  for (std::uint32_t i = 0; i < how.used; ++i) weights[i] /= all;
}

/// The most that a step comes to; all 0 where no layer has experts.
struct Most {
  std::size_t here = 0, experts = 0, routed = 0, places = 0;
  std::size_t ranks = 0, sent = 0, sent_places = 0, choices = 0;
};

Most most_of(const Program& program, std::size_t rows) {
  Most most;
  const auto raise = [](std::size_t& of, std::size_t to) { of = std::max(of, to); };
  const auto look = [&](const auto& op) {
    if constexpr (std::is_same_v<decltype(op), const ops::LayExperts&>) {
      const Value& choice = program.values[op.choice];
      raise(most.here, op.here.size());
      raise(most.experts, op.experts);
      raise(most.routed, program.spaces[op.routed].most(rows));
      raise(most.places, program.spaces[choice.space].most(rows) * choice.columns / 2);
    } else if constexpr (std::is_same_v<decltype(op), const ops::PlanExchange&>) {
      const std::size_t ranks = program.groups[op.group].size;
      const Value& choice = program.values[op.choice];
      const std::size_t own = program.spaces[choice.space].most(rows);
      raise(most.ranks, ranks);
      raise(most.sent, program.spaces[op.sent].most(rows));
      raise(most.sent_places, own * ranks);
      raise(most.choices, own * choice.columns / 2);
    }
  };
  for (const Section& section : program.sections) {
    for (const Op& op : section.ops) std::visit(look, op.what);
  }
  return most;
}

/// An expert of a choice; a peer's may be anything.
std::uint32_t expert_of(float choice, std::size_t experts) {
  return choice >= 0.0F && choice < static_cast<float>(experts) ? static_cast<std::uint32_t>(choice) : nowhere;
}

/// Rows of ranks that have no copy are shared out among those that have one.
std::uint32_t copy_for(std::span<const std::uint32_t> ranks, std::size_t row, std::uint32_t own) {
  if (std::find(ranks.begin(), ranks.end(), own) != ranks.end()) return own;
  return ranks[(row + own) % ranks.size()];
}

}  // namespace

float expert_rank(float score, const float* bias, std::size_t expert, Gating gating) {
  const float rank = gating == Gating::sigmoid ? sigmoid(score) : score;
  return bias == nullptr ? rank : rank + bias[expert];
}

void Routing::reserve(const Program& program, std::size_t rows) {
  const Most most = most_of(program, rows);
  place.reserve(most.places);
  row.reserve(most.routed);
  weight.reserve(most.routed);
  overflow.reserve(most.routed);
  first.reserve(most.here > 0 ? most.here + 1 : 0);
  number.reserve(most.experts);
  room.reserve(most.experts);
  goes.reserve(most.choices);
  sent_row.reserve(most.sent);
  sent_at.reserve(most.sent_places);
  gives.reserve(most.ranks);
  takes.reserve(most.ranks);
  told.reserve(most.ranks);
  all_told.reserve(most.ranks * most.ranks);
}

bool choose_experts(const float* scores, const float* bias, std::size_t experts, const ExpertChoice& how, float* ranks,
                    float* choice) {
  float* const mine = choice;
  rank_experts(scores, bias, experts, how.gating, ranks);
  const bool numbers = choose_highest(ranks, experts, how.used, mine);
  return weigh_experts(scores, experts, how, mine, choice + how.used) && numbers;
}

bool weigh_experts(const float* scores, std::size_t experts, const ExpertChoice& how, const float* mine,
                   float* weights) {
  bool numbers = true;
  weigh_chosen(scores, experts, how, mine, weights);
  const float sum = std::accumulate(weights, weights + how.used, 0.0F);
  for (std::uint32_t i = 0; i < how.used; ++i) {
    if (how.normalised) weights[i] /= sum;
    weights[i] *= how.scale;
    numbers &= std::isfinite(weights[i]);
  }
  return numbers;
}

bool Routing::lay(const float* choices, std::size_t rows, std::uint32_t of_each, std::span<const std::uint32_t> here,
                  std::uint32_t experts, std::size_t most) {
  used = of_each;
  place.assign(rows * used, nowhere);
  first.assign(here.size() + 1, 0);
  number.assign(experts, nowhere);
  for (std::uint32_t i = 0; i < here.size(); ++i) number[here[i]] = i;
  const auto each = [&](const auto& visit) {
    for (std::size_t i = 0; i < rows * used; ++i) {
      const float* const choice = choices + i / used * 2 * used + i % used;
      const std::uint32_t expert = expert_of(choice[0], experts);
      if (expert != nowhere && number[expert] != nowhere) visit(i, number[expert], choice[used]);
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

void Routing::plan(const float* choices, std::size_t rows, std::uint32_t of_each,
                   std::span<const std::vector<std::uint32_t>> ranks_of, std::uint32_t ranks, std::uint32_t own) {
  used = of_each;
  goes.assign(rows * used, nowhere);
  for (std::size_t i = 0; i < goes.size(); ++i) {
    const std::uint32_t expert = expert_of(choices[i / used * 2 * used + i % used], ranks_of.size());
    if (expert != nowhere) goes[i] = copy_for(ranks_of[expert], i / used, own);
  }
  sent_at.assign(rows * ranks, nowhere);
  sent_row.clear();
  gives.clear();
  for (std::uint32_t rank = 0; rank < ranks; ++rank) {
    const std::size_t before = sent_row.size();
    for (std::size_t i = 0; i < rows; ++i) {
      const std::uint32_t* const mine = goes.data() + i * used;
      if (std::find(mine, mine + used, rank) == mine + used) continue;
      sent_at[i * ranks + rank] = static_cast<std::uint32_t>(sent_row.size());
      sent_row.push_back(static_cast<std::uint32_t>(i));
    }
    gives.push_back(sent_row.size() - before);
  }
  told.assign(gives.begin(), gives.end());
  all_told.resize(std::size_t{ranks} * ranks);
}

void Routing::pick_choice(std::size_t sent, const float* choices, float* picked) const {
  std::uint32_t rank = 0;
  for (std::size_t end = gives[0]; sent >= end; end += gives[rank]) ++rank;
  const std::size_t mine = sent_row[sent];
  std::copy_n(choices + mine * 2 * used, 2 * used, picked);
  for (std::uint32_t i = 0; i < used; ++i) {
    if (goes[mine * used + i] != rank) picked[i] = -1.0F;
  }
}

std::size_t routing_bytes(const Program& program, std::size_t rows) {
  const Most most = most_of(program, rows);
  if (most.experts == 0) return 0;
  const std::size_t numbers =
      most.places + most.routed + most.here + 1 + 2 * most.experts + most.sent + most.sent_places + most.choices;
  return numbers * sizeof(std::uint32_t) + most.routed * (sizeof(float) + 1) +
         most.ranks * (2 * sizeof(std::size_t) + (1 + most.ranks) * sizeof(std::int32_t));
}

}  // namespace troupe
