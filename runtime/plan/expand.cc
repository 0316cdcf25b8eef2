#include <algorithm>
#include <utility>

#include "kernels/packed.hpp"
#include "runtime/plan/plan.hpp"
#include "runtime/program/rank_grid.hpp"

namespace troupe {
namespace {

/// What can be had of a plan: a factor that is beyond its limit ends there. Precondition: most_nodes are enough for it.
Plan within(Plan plan, const PlanLimits& limits) {
  const auto cut = [](std::vector<std::uint32_t>& shares, std::uint32_t most) {
    shares.resize(std::min<std::size_t>(shares.size(), most));
  };
  cut(plan.pp, limits.layers);
  cut(plan.tp, limits.leaves);
  if (limits.experts == 0) (plan.cp > 1 ? plan.cp : plan.sp) *= std::exchange(plan.ep, 1);
  plan.ep = std::min(plan.ep, std::max(limits.experts, 1U));
  cut(plan.tp, limits.vocabulary_parts);
  const auto tp = static_cast<std::uint32_t>(plan.tp.size());
  plan.ep = std::min(plan.ep, limits.vocabulary_parts / tp);
  plan.sp = std::min(plan.sp, limits.vocabulary_parts / tp / plan.ep);
  plan.cp = std::min(plan.cp, limits.vocabulary_parts / tp / plan.ep / plan.sp);
  return plan;
}

Result<void> check_limits(const Plan& plan, const ModelDescription& model) {
  const PlanLimits limits = limits_of(model);
  const auto refuse = [&](const std::string& why) {
    return Error(Code::invalid_argument, "plan \"" + to_string(plan) + "\": " + why + "; \"" +
                                             to_string(within(plan, limits)) + "\" would work");
  };
  if (plan.nodes() > most_nodes) {
    return Error(Code::invalid_argument, "plan \"" + to_string(plan) + "\": " + too_many_nodes());
  }
  if (plan.pp.size() > limits.layers) {
    return refuse("more stages than the model has layers, which are " + std::to_string(limits.layers));
  }
  if (plan.tp.size() > limits.leaves) {
    return refuse("more tensor-parallel ranks than the model has leaves, which are " + std::to_string(limits.leaves));
  }
  if (plan.ep > 1 && limits.experts == 0) return refuse("ep shares out experts, and the model has none");
  if (plan.ep > 1 && plan.ep > limits.experts) {
    return refuse("more expert-parallel ranks than the model has experts, which are " + std::to_string(limits.experts));
  }
  if (plan.stage_ranks() > limits.vocabulary_parts) {
    return refuse("a stage has more ranks than the vocabulary has groups of rows, which are " +
                  std::to_string(limits.vocabulary_parts));
  }
  return {};
}

std::vector<Range> stages_of(const Plan& plan, const ModelDescription& model, StageCosts costs) {
  const bool equal = std::adjacent_find(plan.pp.begin(), plan.pp.end(), std::not_equal_to<>()) == plan.pp.end();
  return equal ? balance_stages(model.layer_count(), plan.pp.size(), costs)
               : split_by_shares(model.layer_count(), plan.pp);
}

std::string shard_name(std::uint32_t replica, std::size_t stage, std::size_t rank, const Plan& plan) {
  const RankGrid grid{plan.sp * plan.cp, plan.ep, static_cast<std::uint32_t>(plan.tp.size()),
                      static_cast<std::uint32_t>(rank)};
  std::string name = "r" + std::to_string(replica) + ".s" + std::to_string(stage);
  if (plan.sp > 1) name += ".sp" + std::to_string(grid.sp_rank());
  if (plan.cp > 1) name += ".cp" + std::to_string(grid.sp_rank());
  if (plan.ep > 1) name += ".ep" + std::to_string(grid.ep_rank());
  return name + ".t" + std::to_string(grid.tp_rank());
}

/// The vocabulary is shared out among all ranks of a stage, by what they have of the layers.
std::vector<Range> vocabulary_of(const Plan& plan, const ModelDescription& model) {
  constexpr auto rows = static_cast<std::uint32_t>(kernels::group_rows);
  std::vector<std::uint32_t> shares;
  for (std::uint32_t i = 0; i < plan.sp * plan.cp * plan.ep; ++i)
    shares.insert(shares.end(), plan.tp.begin(), plan.tp.end());
  std::vector<Range> ranges = split_by_shares(limits_of(model).vocabulary_parts, shares);
  for (Range& range : ranges) range = {range.first * rows, std::min(range.last * rows, model.vocabulary)};
  return ranges;
}

void add_replica(Graph& graph, std::uint32_t replica, const Plan& plan, const ModelDescription& model,
                 const std::vector<Range>& stages, std::uint32_t threads) {
  const auto attention = split_by_shares(model.attention_leaves(), plan.tp);
  const auto ffn = split_by_shares(model.ffn_leaves(), plan.tp);
  const auto vocabulary = vocabulary_of(plan, model);
  const std::size_t tp = plan.tp.size();
  const std::string sampler = "r" + std::to_string(replica) + ".sampler";
  const auto name = [&](std::size_t stage, std::size_t rank) { return shard_name(replica, stage, rank, plan); };

  for (std::size_t s = 0; s < stages.size(); ++s) {
    GraphGroup group{.name = "r" + std::to_string(replica) + ".s" + std::to_string(s), .nodes = {}};
    group.sp = plan.sp;
    group.cp = plan.cp;
    group.ep = plan.ep;
    for (std::size_t rank = 0; rank < plan.stage_ranks(); ++rank) {
      GraphNode node{.name = name(s, rank), .kind = "shard", .replica = replica, .threads = threads};
      node.layers = stages[s];
      node.attention = attention[rank % tp];
      node.ffn = ffn[rank % tp];
      if (s + 1 == stages.size()) node.vocabulary = vocabulary[rank];
      group.nodes.push_back(node.name);
      if (s == 0) graph.edges.push_back({sampler + ":tokens", node.name + ":tokens", "tokens"});
      graph.nodes.push_back(std::move(node));
    }
    // The first rank of a stage receives for all of them.
    if (s > 0) graph.edges.push_back({name(s - 1, 0) + ":hidden", name(s, 0) + ":hidden", "hidden"});
    graph.groups.push_back(std::move(group));
  }
  // The ranks of the last stage gather their logits at its first rank.
  graph.nodes.push_back({.name = sampler, .kind = "sampler", .replica = replica});
  graph.edges.push_back({name(stages.size() - 1, 0) + ":logits", sampler + ":logits", "logits"});
}

}  // namespace

PlanLimits limits_of(const ModelDescription& model) {
  constexpr auto rows = static_cast<std::uint32_t>(kernels::group_rows);
  return {model.layer_count(), std::min(model.attention_leaves(), model.ffn_leaves()), model.fewest_experts(),
          (model.vocabulary + rows - 1) / rows};
}

Result<Graph> expand(const Plan& plan, const ModelDescription& model, StageCosts costs, std::uint32_t threads) {
  if (const auto checked = check_limits(plan, model); !checked) return checked.error();
  const std::vector<Range> stages = stages_of(plan, model, costs);
  Graph graph;
  for (std::uint32_t replica = 0; replica < plan.dp; ++replica)
    add_replica(graph, replica, plan, model, stages, threads);
  return graph;
}

}  // namespace troupe
