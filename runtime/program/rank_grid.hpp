#pragma once

#include <cstdint>
#include <vector>

#include "troupe/graph.hpp"

namespace troupe {

/// Where a shard stands among the ranks of its stage: see GraphGroup.
struct RankGrid {
  std::uint32_t sp = 1, ep = 1, tp = 1;  ///< sp: or cp
  std::uint32_t rank = 0;
  std::vector<ExpertPlacement> experts{};  ///< see GraphGroup
  bool by_positions = false;               ///< the KV cache is shared out so, not by heads

  [[nodiscard]] std::uint32_t size() const { return sp * ep * tp; }
  [[nodiscard]] std::uint32_t tp_rank() const { return rank % tp; }
  [[nodiscard]] std::uint32_t ep_rank() const { return rank / tp % ep; }
  [[nodiscard]] std::uint32_t sp_rank() const { return rank / tp / ep; }

  /// Ranks that share out a step's rows.
  [[nodiscard]] std::uint32_t row_ranks() const { return sp * ep; }
  [[nodiscard]] std::uint32_t row_rank() const { return rank / tp; }
  /// Of the positions of the KV cache.
  [[nodiscard]] std::uint32_t kv_parts() const { return by_positions ? row_ranks() : 1; }
};

/// Precondition: the group has passed check_graph.
[[nodiscard]] inline RankGrid grid_of(const GraphGroup& group, std::uint32_t rank) {
  const auto ranks = static_cast<std::uint32_t>(group.nodes.size());
  const std::uint32_t rows = group.sp * group.cp;
  return {rows, group.ep, ranks / (rows * group.ep), rank, group.experts, group.cp > 1};
}

/// The part of `all` in order that one of `ranks` has: as equal as can be.
[[nodiscard]] inline Range even_part(std::uint32_t all, std::uint32_t rank, std::uint32_t ranks) {
  const auto edge = [&](std::uint64_t at) { return static_cast<std::uint32_t>(at * all / ranks); };
  return {edge(rank), edge(rank + 1)};
}

/// Of rows that ranks which share out a layer have in common, those that are one's own between ReduceRows and
/// GatherParts. What each does of a few takes less time than to meet once more: then they are all.
[[nodiscard]] inline Range part_of_rows(std::uint32_t rows, std::uint32_t rank, std::uint32_t ranks) {
  constexpr std::uint32_t many = 16;  // for each rank
  return rows / many < ranks ? Range{0, rows} : even_part(rows, rank, ranks);
}

}  // namespace troupe
