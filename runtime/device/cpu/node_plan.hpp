#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/program/program.hpp"
#include "troupe/graph.hpp"

namespace troupe {

/// Where the nodes of attention lie that ranks exchange of a step's rows (see ops::PlanNodes), for layers of one
/// window. What has room for so many rows allocates nothing later.
struct NodePlan {
  std::uint32_t window = 0;
  std::vector<std::uint32_t> found;       ///< [rows of the step]: the first that this rank finds of each
  std::vector<std::uint32_t> gathered;    ///< [own rows][ranks]: the first that each rank finds of it
  std::vector<std::size_t> gives, takes;  ///< [ranks]: nodes of its rows from here, and from it

  void reserve(const KvDeal& deal, std::size_t rows);

  /// For a step's rows at these positions, shared out evenly among the deal's parts.
  void plan(std::span<const std::uint32_t> positions, const KvDeal& deal);
};

/// For each window of a program's PlanNodes, with room for so many rows.
[[nodiscard]] std::vector<NodePlan> node_plans(const Program& program, std::size_t rows);

/// Bytes that they take.
[[nodiscard]] std::size_t node_plan_bytes(const Program& program, std::size_t rows);

}  // namespace troupe
