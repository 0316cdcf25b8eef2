#include <algorithm>
#include <numeric>

#include "troupe/graph.hpp"

namespace troupe {
namespace {

/// How many copies there are to be of each expert: one, and where there is room another of those whose copies have the
/// most to do. Of nothing to do there is one.
std::vector<std::uint32_t> copies_of(const std::vector<std::uint64_t>& rows, std::uint32_t ranks, std::size_t room) {
  std::vector<std::uint32_t> copies(rows.size(), 1);
  for (std::size_t more = room - rows.size(); more > 0; --more) {
    std::size_t busiest = rows.size();
    for (std::size_t e = 0; e < rows.size(); ++e) {
      if (copies[e] == ranks || rows[e] == 0) continue;
      if (busiest == rows.size() || rows[e] * copies[busiest] > rows[busiest] * copies[e]) busiest = e;
    }
    if (busiest == rows.size()) break;
    ++copies[busiest];
  }
  return copies;
}

struct Rank {
  double rows = 0;
  std::vector<std::uint32_t> experts{};
};

/// The copies with the most to do first, each goes to the rank that has the least, of those that have room and no copy
/// yet; there is always one for an expert's first.
std::vector<Rank> packed(const std::vector<std::uint64_t>& rows, std::uint32_t ranks, std::size_t room_of_rank) {
  const std::vector<std::uint32_t> copies = copies_of(rows, ranks, ranks * room_of_rank);
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
        if (has || rank.experts.size() == room_of_rank) continue;
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

ExpertPlacement balanced(const ExpertLoad& load, std::uint32_t ranks, std::uint32_t spare) {
  const std::size_t even = (load.rows.size() + ranks - 1) / ranks;
  const std::size_t room = std::min(even + spare, load.rows.size());
  ExpertPlacement placement{load.layer};
  for (Rank& rank : packed(load.rows, ranks, room)) {
    std::sort(rank.experts.begin(), rank.experts.end());
    placement.ranks.push_back(std::move(rank.experts));
  }
  return placement;
}

}  // namespace

void balance_experts(Graph& graph, const std::vector<ExpertLoad>& load, std::uint32_t spare) {
  for (GraphGroup& group : graph.groups) {
    const auto shard = std::find_if(graph.nodes.begin(), graph.nodes.end(), [&](const GraphNode& node) {
      return !group.nodes.empty() && node.name == group.nodes[0];
    });
    if (group.ep < 2 || shard == graph.nodes.end()) continue;
    for (const ExpertLoad& layer : load) {
      const bool any = std::any_of(layer.rows.begin(), layer.rows.end(), [](std::uint64_t rows) { return rows > 0; });
      if (!any || layer.layer < shard->layers.first || layer.layer >= shard->layers.last) continue;
      const auto at = std::lower_bound(group.experts.begin(), group.experts.end(), layer.layer,
                                       [](const ExpertPlacement& each, std::uint32_t n) { return each.layer < n; });
      const bool there = at != group.experts.end() && at->layer == layer.layer;
      ExpertPlacement placement = balanced(layer, group.ep, spare);
      there ? * at = std::move(placement) : *group.experts.insert(at, std::move(placement));
    }
  }
}

}  // namespace troupe
