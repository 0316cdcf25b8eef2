#include <algorithm>
#include <numeric>

#include "runtime/plan/expert_balance.hpp"
#include "runtime/program/rank_grid.hpp"

namespace troupe {
namespace {

using Rows = std::vector<std::uint64_t>;

struct Rank {
  double rows = 0;
  std::vector<std::uint32_t> experts{};
};

double most_rows(const std::vector<Rank>& ranks) {
  double most = 0;
  for (const Rank& rank : ranks) most = std::max(most, rank.rows);
  return most;
}

/// The copies with the most to do first, each goes to the rank that has the least, of those that have room and no copy
/// yet; there is always one for an expert's first.
std::vector<Rank> packed(const Rows& rows, const std::vector<std::uint32_t>& copies, std::uint32_t ranks,
                         std::size_t room) {
  const auto share = [&](std::uint32_t e) { return static_cast<double>(rows[e]) / copies[e]; };
  std::vector<std::uint32_t> order(rows.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return share(a) > share(b); });
  std::vector<Rank> all(ranks);
  for (const std::uint32_t expert : order) {
    for (std::uint32_t copy = 0; copy < copies[expert]; ++copy) {
      Rank* least = nullptr;
      for (Rank& rank : all) {
        const bool has = !rank.experts.empty() && rank.experts.back() == expert;
        if (has || rank.experts.size() == room) continue;
        const bool less = least == nullptr || rank.rows < least->rows ||
                          (rank.rows == least->rows && rank.experts.size() < least->experts.size());
        if (less) least = &rank;
      }
      if (least == nullptr) break;
      least->rows += share(expert);
      least->experts.push_back(expert);
    }
  }
  return all;
}

/// One copy more of the expert whose copies have the most to do; false where none could have one, or needs it.
bool add_copy(const Rows& rows, std::uint32_t ranks, std::vector<std::uint32_t>& copies) {
  std::size_t busiest = rows.size();
  for (std::size_t e = 0; e < rows.size(); ++e) {
    if (copies[e] == ranks || rows[e] == 0) continue;
    if (busiest == rows.size() || rows[e] * copies[busiest] > rows[busiest] * copies[e]) busiest = e;
  }
  if (busiest == rows.size()) return false;
  ++copies[busiest];
  return true;
}

/// With as few copies as will do: each has its weights read once more, whenever a step has few rows.
std::vector<Rank> balanced(const Rows& rows, std::uint32_t ranks, std::size_t room) {
  constexpr double near_enough = 1.05;
  const auto all = static_cast<double>(std::accumulate(rows.begin(), rows.end(), std::uint64_t{0}));
  std::vector<std::uint32_t> copies(rows.size(), 1);
  std::vector<Rank> best = packed(rows, copies, ranks, room);
  for (std::size_t more = ranks * room - rows.size(); more > 0; --more) {
    if (most_rows(best) <= near_enough * all / ranks || !add_copy(rows, ranks, copies)) break;
    std::vector<Rank> other = packed(rows, copies, ranks, room);
    if (most_rows(other) < most_rows(best)) best = std::move(other);
  }
  return best;
}

ExpertPlacement placement_of(const ExpertLoad& load, std::uint32_t ranks, std::uint32_t spare) {
  const std::size_t even = (load.rows.size() + ranks - 1) / ranks;
  ExpertPlacement placement{load.layer};
  for (Rank& rank : balanced(load.rows, ranks, std::min(even + spare, load.rows.size()))) {
    std::sort(rank.experts.begin(), rank.experts.end());
    placement.ranks.push_back(std::move(rank.experts));
  }
  return placement;
}

const GraphNode* first_shard(const Graph& graph, const GraphGroup& group) {
  if (group.ep < 2 || group.nodes.empty()) return nullptr;
  const auto shard = std::ranges::find(graph.nodes, group.nodes[0], &GraphNode::name);
  return shard == graph.nodes.end() ? nullptr : &*shard;
}

/// What each rank of a group has to do of a layer, where copies share an expert's rows out evenly.
std::vector<double> rows_of_ranks(const GraphGroup& group, const ExpertLoad& load) {
  const auto experts = static_cast<std::uint32_t>(load.rows.size());
  std::vector<double> rows(group.ep);
  const auto placed = std::ranges::find(group.experts, load.layer, &ExpertPlacement::layer);
  if (placed == group.experts.end()) {
    for (std::uint32_t rank = 0; rank < group.ep; ++rank) {
      const Range mine = even_part(experts, rank, group.ep);
      for (std::uint32_t e = mine.first; e < mine.last; ++e) rows[rank] += static_cast<double>(load.rows[e]);
    }
    return rows;
  }
  std::vector<double> copies(experts);
  for (const auto& mine : placed->ranks) {
    for (const std::uint32_t e : mine) copies[e] += 1;
  }
  for (std::uint32_t rank = 0; rank < group.ep; ++rank) {
    for (const std::uint32_t e : placed->ranks[rank]) rows[rank] += static_cast<double>(load.rows[e]) / copies[e];
  }
  return rows;
}

}  // namespace

double busiest_share(const Graph& graph, const std::vector<ExpertLoad>& load) {
  double busiest = 0, even = 0;
  for (const GraphGroup& group : graph.groups) {
    const GraphNode* const shard = first_shard(graph, group);
    if (shard == nullptr) continue;
    for (const ExpertLoad& layer : load) {
      if (layer.layer < shard->layers.first || layer.layer >= shard->layers.last) continue;
      const std::vector<double> rows = rows_of_ranks(group, layer);
      busiest += *std::ranges::max_element(rows);
      even += std::accumulate(rows.begin(), rows.end(), 0.0) / static_cast<double>(rows.size());
    }
  }
  return even == 0 ? 1 : busiest / even;
}

void Graph::balance_experts(const std::vector<ExpertLoad>& load, std::uint32_t spare) {
  for (GraphGroup& group : groups) {
    const GraphNode* const shard = first_shard(*this, group);
    if (shard == nullptr) continue;
    for (const ExpertLoad& layer : load) {
      const bool any = std::any_of(layer.rows.begin(), layer.rows.end(), [](std::uint64_t rows) { return rows > 0; });
      if (!any || layer.layer < shard->layers.first || layer.layer >= shard->layers.last) continue;
      const auto at = std::lower_bound(group.experts.begin(), group.experts.end(), layer.layer,
                                       [](const ExpertPlacement& each, std::uint32_t n) { return each.layer < n; });
      const bool there = at != group.experts.end() && at->layer == layer.layer;
      ExpertPlacement placement = placement_of(layer, group.ep, spare);
      there ? * at = std::move(placement) : *group.experts.insert(at, std::move(placement));
    }
  }
}

}  // namespace troupe
