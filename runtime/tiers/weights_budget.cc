#include "runtime/tiers/weights_budget.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string>

namespace troupe {
namespace {

constexpr std::uint32_t nowhere = UINT32_MAX, everywhere = UINT32_MAX - 1;

/// A shard's weights, as far as they may be on disk.
struct Weights {
  std::vector<StreamPlan::Unit> units;
  std::uint64_t kept = 0;  ///< bytes of the others
};

/// The layer that each matrix is of; `everywhere` where it is of several, or of none but the output head.
std::vector<std::uint32_t> layers_of(const Program& program) {
  std::vector<std::uint32_t> layers(program.weights.size(), nowhere);
  std::uint32_t layer = 0;
  for (const Section& section : program.sections) {
    const bool head = program.logits && program.values[*program.logits].space == section.space;
    for (const Op& op : section.ops) {
      layer = std::max(layer, op.layer);
      const bool once = !head && op.layer == layer;  // a buffer is given away when the next layer begins
      for_each_weight(op, [&](WeightId id) {
        std::uint32_t& of = layers[id];
        of = once && (of == nowhere || of == layer) ? layer : everywhere;
      });
    }
  }
  return layers;
}

Weights weights_of(const WantedWeights& shard) {
  Weights all;
  const auto layers = layers_of(*shard.program);
  std::map<std::uint32_t, StreamPlan::Unit> units;
  for (WeightId id = 0; id < layers.size(); ++id) {
    const Weight& weight = shard.program->weights[id];
    const std::uint64_t bytes = shard.device->weight_bytes(weight);
    const bool can = shard.device->streams() && weight.use == Weight::Use::matrix && layers[id] < everywhere;
    if (!can) {
      all.kept += bytes;
      continue;
    }
    StreamPlan::Unit& unit = units[layers[id]];
    unit.layer = layers[id];
    unit.weights.push_back(id);
    unit.bytes += bytes;
  }
  for (auto& [layer, unit] : units) all.units.push_back(std::move(unit));
  return all;
}

std::uint64_t bytes_of(const std::vector<StreamPlan::Unit>& units) {
  return std::accumulate(units.begin(), units.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const auto& unit) { return sum + unit.bytes; });
}

/// `count` of the units on disk, evenly spread.
StreamPlan spread(const std::vector<StreamPlan::Unit>& units, std::size_t count) {
  StreamPlan plan;
  for (std::size_t i = 0; i < units.size(); ++i) {
    if ((i + 1) * count / units.size() == i * count / units.size()) continue;
    plan.units.push_back(units[i]);
    plan.buffer_bytes = std::max(plan.buffer_bytes, units[i].bytes);
  }
  plan.buffer_bytes = (plan.buffer_bytes + StreamPlan::page - 1) / StreamPlan::page * StreamPlan::page;
  return plan;
}

/// Shards that hold the same: what they keep they share, but each has buffers of its own.
struct Alike {
  Weights weights;
  std::vector<WantedWeights*> shards;

  [[nodiscard]] std::uint64_t all() const { return weights.kept + bytes_of(weights.units); }
  [[nodiscard]] std::uint64_t with(const StreamPlan& plan) const {
    return all() - bytes_of(plan.units) + shards.size() * plan.bytes();
  }
  /// The plan that takes no more than so many bytes and reads the fewest units; where there is none, the one that takes
  /// the fewest bytes.
  [[nodiscard]] StreamPlan within(std::uint64_t budget) const {
    StreamPlan best;
    for (std::size_t count = 0; count <= weights.units.size(); ++count) {
      StreamPlan plan = spread(weights.units, count);
      if (with(plan) <= budget) return plan;
      if (with(plan) < with(best)) best = std::move(plan);
    }
    return best;
  }
};

std::vector<Alike> alike(std::span<WantedWeights> shards) {
  std::map<std::vector<PieceKey>, Alike> groups;
  for (WantedWeights& shard : shards) {
    std::vector<PieceKey> keys;
    for (const Weight& weight : shard.program->weights) keys.push_back(key_of(weight, shard.device->packing()));
    Alike& group = groups[std::move(keys)];
    if (group.shards.empty()) group.weights = weights_of(shard);
    group.shards.push_back(&shard);
  }
  std::vector<Alike> all;
  for (auto& [keys, group] : groups) all.push_back(std::move(group));
  return all;
}

WeightsBudget budget_of(const std::vector<Alike>& groups) {
  WeightsBudget budget;
  for (const Alike& group : groups) {
    budget.all += group.all();
    budget.least += group.with(group.within(0));
  }
  return budget;
}

Error too_small(double share, const WeightsBudget& budget) {
  const double least = std::ceil(1000 * static_cast<double>(budget.least) / static_cast<double>(budget.all)) / 1000;
  const auto percent = [](double of) {
    const auto tenths = static_cast<long>(std::lround(1000 * of));
    return std::to_string(tenths / 10) + (tenths % 10 == 0 ? "" : "." + std::to_string(tenths % 10)) + "%";
  };
  const std::string why =
      least < 1 ? "the output head, three layers of each shard, and what is no matrix are always there: at least " +
                      percent(least)
                : "each of its shards has too few layers for any to be on disk: 100%, or a plan of fewer ranks";
  return {Code::invalid_argument, "the weights budget is " + percent(share) + " of " + std::to_string(budget.all) +
                                      " bytes, which is too little for this plan; " + why};
}

}  // namespace

WeightsBudget weights_budget(std::span<const WantedWeights> shards) {
  std::vector<WantedWeights> copies(shards.begin(), shards.end());
  return budget_of(alike(copies));
}

Result<void> plan_streams(std::span<WantedWeights> shards, double share) {
  if (share >= 1 || shards.empty()) return {};
  const std::vector<Alike> groups = alike(shards);
  const WeightsBudget budget = budget_of(groups);
  const double bytes = share * static_cast<double>(budget.all);
  if (bytes < static_cast<double>(budget.least)) return too_small(share, budget);
  // Beyond the least, which each has, they share out the rest by what they could still use.
  const double part = (bytes - static_cast<double>(budget.least)) / static_cast<double>(budget.all - budget.least);
  for (const Alike& group : groups) {
    const std::uint64_t least = group.with(group.within(0));
    const auto more = static_cast<std::uint64_t>(part * static_cast<double>(group.all() - least));
    StreamPlan plan = group.within(least + more);
    if (plan.units.empty()) continue;
    const auto shared = std::make_shared<const StreamPlan>(std::move(plan));
    for (WantedWeights* shard : group.shards) shard->stream = shared;
  }
  return {};
}

}  // namespace troupe
