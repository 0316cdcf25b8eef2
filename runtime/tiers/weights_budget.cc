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
  std::vector<StreamPlan::Unit> layers;   ///< without the experts
  std::vector<StreamPlan::Unit> experts;  ///< layer by layer
  std::uint32_t most_experts = 0;         ///< of a layer
  std::uint64_t kept = 0;                 ///< bytes of the others
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

/// Adds a matrix to its unit.
void add(StreamPlan::Unit& unit, std::uint32_t layer, WeightId id, std::uint64_t bytes) {
  unit.layer = layer;
  unit.weights.push_back(id);
  unit.bytes += bytes;
}

/// The expert that each matrix is of, of those here, or nowhere.
std::vector<std::uint32_t> experts_of(const Program& program) {
  std::vector<std::uint32_t> experts(program.weights.size(), nowhere);
  for (const Section& section : program.sections) {
    for (const Op& op : section.ops) {
      std::visit(
          [&](const auto& what) {
            if constexpr (requires {
                            what.experts[0];
                            what.weights([](WeightId) {});
                          }) {
              for (std::uint32_t i = 0; i < what.experts.size(); ++i) experts[what.experts[i]] = i;
            }
          },
          op.what);
    }
  }
  return experts;
}

/// With `experts_apart`: as units of their own.
Weights weights_of(const WantedWeights& shard, bool experts_apart) {
  Weights all;
  const auto layers = layers_of(*shard.program), experts = experts_of(*shard.program);
  std::map<std::uint32_t, StreamPlan::Unit> of_layers;
  std::map<std::pair<std::uint32_t, std::uint32_t>, StreamPlan::Unit> of_experts;
  for (WeightId id = 0; id < layers.size(); ++id) {
    const Weight& weight = shard.program->weights[id];
    const std::uint64_t bytes = shard.device->weight_bytes(weight);
    const std::uint32_t layer = layers[id], expert = experts[id];
    if (!shard.device->streams() || weight.use != Weight::Use::matrix || layer >= everywhere) {
      all.kept += bytes;
    } else if (experts_apart && expert != nowhere) {
      add(of_experts[{layer, expert}], layer, id, bytes);
      all.most_experts = std::max(all.most_experts, expert + 1);
    } else {
      add(of_layers[layer], layer, id, bytes);
    }
  }
  for (auto& [layer, unit] : of_layers) all.layers.push_back(std::move(unit));
  for (auto& [expert, unit] : of_experts) all.experts.push_back(std::move(unit));
  return all;
}

std::uint64_t bytes_of(const std::vector<StreamPlan::Unit>& units) {
  return std::accumulate(units.begin(), units.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const auto& unit) { return sum + unit.bytes; });
}

/// `count` of the layers on disk, evenly spread.
StreamPlan spread(const std::vector<StreamPlan::Unit>& layers, std::size_t count) {
  StreamPlan plan;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if ((i + 1) * count / layers.size() == i * count / layers.size()) continue;
    plan.layers.push_back(layers[i]);
    plan.buffer_bytes = std::max(plan.buffer_bytes, layers[i].bytes);
  }
  plan.buffer_bytes = whole_pages(plan.buffer_bytes);
  return plan;
}

std::uint64_t largest_of(const std::vector<StreamPlan::Unit>& units) {
  std::uint64_t bytes = 0;
  for (const StreamPlan::Unit& unit : units) bytes = std::max(bytes, unit.bytes);
  return whole_pages(bytes);
}

/// Shards that hold the same: what they keep they share, but each has buffers and slots of its own.
struct Alike {
  Weights weights;
  std::uint32_t slots = 0;  ///< for experts; 0: all of them are in memory
  std::vector<WantedWeights*> shards;

  /// Where all are in memory, but for experts that have a budget of their own.
  [[nodiscard]] std::uint64_t all() const {
    return weights.kept + bytes_of(weights.layers) + (slots == 0 ? bytes_of(weights.experts) : 0);
  }
  [[nodiscard]] std::uint64_t with(const StreamPlan& plan) const {
    return all() - bytes_of(plan.layers) + shards.size() * plan.bytes();
  }
  /// The plan that takes no more than so many bytes and reads the fewest layers; where there is none, the one that
  /// takes the fewest bytes. Without experts.
  [[nodiscard]] StreamPlan within(std::uint64_t budget) const {
    StreamPlan best;
    for (std::size_t count = 0; count <= weights.layers.size(); ++count) {
      StreamPlan plan = spread(weights.layers, count);
      if (with(plan) <= budget) return plan;
      if (with(plan) < with(best)) best = std::move(plan);
    }
    return best;
  }
};

std::vector<Alike> alike(std::span<WantedWeights> shards, double experts) {
  std::map<std::vector<PieceKey>, Alike> groups;
  for (WantedWeights& shard : shards) {
    std::vector<PieceKey> keys;
    for (const Weight& weight : shard.program->weights) keys.push_back(key_of(weight, shard.device->packing()));
    Alike& group = groups[std::move(keys)];
    if (group.shards.empty()) group.weights = weights_of(shard, experts < 1);
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

std::string percent(double of) {
  const auto tenths = static_cast<long>(std::lround(1000 * of));
  return std::to_string(tenths / 10) + (tenths % 10 == 0 ? "" : "." + std::to_string(tenths % 10)) + "%";
}

Error too_small(double share, const WeightsBudget& budget) {
  const double least = std::ceil(1000 * static_cast<double>(budget.least) / static_cast<double>(budget.all)) / 1000;
  const std::string why =
      least < 1 ? "the output head, three layers of each shard, and what is no matrix are always there: at least " +
                      percent(least)
                : "each of its shards has too few layers for any to be on disk: 100%, or a plan of fewer ranks";
  return {Code::invalid_argument, "the weights budget is " + percent(share) + " of " + std::to_string(budget.all) +
                                      " bytes, which is too little for this plan; " + why};
}

/// The experts of each group that its shards have room for. A layer may need all of its own at once, while others are
/// read.
Result<void> plan_experts(std::vector<Alike>& groups, double share) {
  double least = 0;
  for (Alike& group : groups) {
    const std::size_t all = group.weights.experts.size();
    const std::size_t needed = group.weights.most_experts + StreamPlan::expert_reads;
    const auto slots = static_cast<std::size_t>(share * static_cast<double>(all));
    if (share >= 1 || all == 0) continue;
    if (slots < needed) least = std::max(least, std::min(1.0, static_cast<double>(needed) / static_cast<double>(all)));
    group.slots = static_cast<std::uint32_t>(slots);
  }
  if (least == 0) return {};
  return Error(Code::invalid_argument,
               "the experts budget is " + percent(share) + "; each shard needs room for all experts that one of its " +
                   "layers has, and " + std::to_string(StreamPlan::expert_reads) +
                   " that are read meanwhile: at least " + percent(std::ceil(1000 * least) / 1000) + " of this plan");
}

}  // namespace

WeightsBudget weights_budget(std::span<const WantedWeights> shards) {
  std::vector<WantedWeights> copies(shards.begin(), shards.end());
  return budget_of(alike(copies, 1));
}

Result<void> plan_streams(std::span<WantedWeights> shards, double share, double experts) {
  if ((share >= 1 && experts >= 1) || shards.empty()) return {};
  std::vector<Alike> groups = alike(shards, experts);
  if (auto planned = plan_experts(groups, experts); !planned) return planned;
  const WeightsBudget budget = budget_of(groups);
  const double bytes = std::min(1.0, share) * static_cast<double>(budget.all);
  if (bytes < static_cast<double>(budget.least)) return too_small(share, budget);
  // Beyond the least, which each has, they share out the rest by what they could still use.
  const auto more = static_cast<double>(budget.all - budget.least);
  const double part = more > 0 ? (bytes - static_cast<double>(budget.least)) / more : 0;
  for (const Alike& group : groups) {
    const std::uint64_t least = group.with(group.within(0));
    StreamPlan plan = group.within(least + static_cast<std::uint64_t>(part * static_cast<double>(group.all() - least)));
    if (group.slots > 0) {
      plan.experts = group.weights.experts;
      plan.slots = group.slots;
      plan.slot_bytes = largest_of(plan.experts);
    }
    if (plan.units() == 0) continue;
    const auto shared = std::make_shared<const StreamPlan>(std::move(plan));
    for (WantedWeights* shard : group.shards) shard->stream = shared;
  }
  return {};
}

}  // namespace troupe
