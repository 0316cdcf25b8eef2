#include "runtime/device/cpu/node_plan.hpp"

#include <variant>

#include "runtime/program/rank_grid.hpp"

namespace troupe {
namespace {

/// Stretches of a part that a row at `position` sees.
std::uint32_t seen(std::uint32_t position, std::uint32_t window, const KvDeal& deal, std::uint32_t part) {
  const std::uint32_t first = first_kv_block(position, window) / deal.stretch;
  const std::uint32_t end = (kv_blocks_for(position + 1) - 1) / deal.stretch + 1;
  const std::uint32_t before = (part + deal.parts - first % deal.parts) % deal.parts;
  return (end - first + deal.parts - 1 - before) / deal.parts;
}

template <class Visit>
void for_each_window(const Program& program, const Visit& visit) {
  for (const Section& section : program.sections) {
    for (const Op& op : section.ops) {
      if (const auto* plan = std::get_if<ops::PlanNodes>(&op.what)) visit(plan->window);
    }
  }
}

}  // namespace

void NodePlan::reserve(const KvDeal& deal, std::size_t rows) {
  found.reserve(rows);
  gathered.reserve(rows + deal.parts);
  gives.reserve(deal.parts);
  takes.reserve(deal.parts);
}

void NodePlan::plan(std::span<const std::uint32_t> positions, const KvDeal& deal) {
  const auto rows_of = [&](std::uint32_t rank) {
    const Range rows = even_part(static_cast<std::uint32_t>(positions.size()), rank, deal.parts);
    return positions.subspan(rows.first, rows.size());
  };
  found.clear();
  gives.clear();
  std::uint32_t next = 0;
  for (std::uint32_t rank = 0; rank < deal.parts; ++rank) {
    const std::uint32_t before = next;
    for (const std::uint32_t position : rows_of(rank)) {
      found.push_back(next);
      next += seen(position, window, deal, deal.part);
    }
    gives.push_back(next - before);
  }
  const auto mine = rows_of(deal.part);
  gathered.resize(mine.size() * deal.parts);
  takes.clear();
  next = 0;
  for (std::uint32_t rank = 0; rank < deal.parts; ++rank) {
    const std::uint32_t before = next;
    for (std::size_t row = 0; row < mine.size(); ++row) {
      gathered[row * deal.parts + rank] = next;
      next += seen(mine[row], window, deal, rank);
    }
    takes.push_back(next - before);
  }
}

std::vector<NodePlan> node_plans(const Program& program, std::size_t rows) {
  std::vector<NodePlan> plans;
  for_each_window(program, [&](std::uint32_t window) {
    plans.push_back({.window = window, .found = {}, .gathered = {}, .gives = {}, .takes = {}});
    plans.back().reserve(program.deal, rows);
  });
  return plans;
}

std::size_t node_plan_bytes(const Program& program, std::size_t rows) {
  std::size_t bytes = 0;
  for_each_window(program, [&](std::uint32_t) {
    bytes += (2 * rows + program.deal.parts) * sizeof(std::uint32_t) + 2 * program.deal.parts * sizeof(std::size_t);
  });
  return bytes;
}

}  // namespace troupe
