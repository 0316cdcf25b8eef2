#include <algorithm>

#include "kernels/packed.hpp"
#include "runtime/plan/plan.hpp"

namespace troupe {
namespace {

std::uint32_t vocabulary_groups(const ModelDescription& model) {
  constexpr auto rows = static_cast<std::uint32_t>(kernels::group_rows);
  return (model.vocabulary + rows - 1) / rows;
}

std::uint32_t leaves_of(const ModelDescription& model) {
  return std::min(model.attention_leaves(), model.ffn_leaves());
}

Result<void> check_limits(const Plan& plan, const ModelDescription& model) {
  const std::uint32_t leaves = leaves_of(model);
  const auto refuse = [&](const std::string& why) {
    return Error(Code::invalid_argument, "plan \"" + to_string(plan) + "\": " + why);
  };
  if (plan.nodes() > most_nodes) return refuse("more than " + std::to_string(most_nodes) + " nodes");
  if (plan.pp.size() > model.layer_count()) {
    return refuse("more stages than the model has layers, which are " + std::to_string(model.layer_count()));
  }
  if (plan.tp.size() > leaves) {
    return refuse("more tensor-parallel ranks than the model has leaves, which are " + std::to_string(leaves));
  }
  if (plan.tp.size() > vocabulary_groups(model)) {
    return refuse("more tensor-parallel ranks than the vocabulary has groups of rows, which are " +
                  std::to_string(vocabulary_groups(model)));
  }
  return {};
}

std::vector<Range> stages_of(const Plan& plan, const ModelDescription& model, StageCosts costs) {
  const bool equal = std::adjacent_find(plan.pp.begin(), plan.pp.end(), std::not_equal_to<>()) == plan.pp.end();
  return equal ? balance_stages(model.layer_count(), plan.pp.size(), costs)
               : split_by_shares(model.layer_count(), plan.pp);
}

std::string shard_name(std::uint32_t replica, std::size_t stage, std::size_t rank) {
  return "r" + std::to_string(replica) + ".s" + std::to_string(stage) + ".t" + std::to_string(rank);
}

void add_replica(Graph& graph, std::uint32_t replica, const Plan& plan, const ModelDescription& model,
                 const std::vector<Range>& stages, std::uint32_t threads) {
  const auto attention = split_by_shares(model.attention_leaves(), plan.tp);
  const auto ffn = split_by_shares(model.ffn_leaves(), plan.tp);
  const auto vocabulary = split_by_shares(vocabulary_groups(model), plan.tp);
  const std::size_t ranks = plan.tp.size();
  const std::string sampler = "r" + std::to_string(replica) + ".sampler";

  for (std::size_t s = 0; s < stages.size(); ++s) {
    GraphGroup group{"r" + std::to_string(replica) + ".s" + std::to_string(s), {}};
    for (std::size_t t = 0; t < ranks; ++t) {
      GraphNode node{.name = shard_name(replica, s, t), .kind = "shard", .replica = replica, .threads = threads};
      node.layers = stages[s];
      node.attention = attention[t];
      node.ffn = ffn[t];
      if (s + 1 == stages.size()) {
        node.vocabulary = {
            vocabulary[t].first * static_cast<std::uint32_t>(kernels::group_rows),
            std::min(vocabulary[t].last * static_cast<std::uint32_t>(kernels::group_rows), model.vocabulary)};
      }
      group.nodes.push_back(node.name);
      if (s == 0) graph.edges.push_back({sampler + ":tokens", node.name + ":tokens", "tokens"});
      graph.nodes.push_back(std::move(node));
    }
    // The first rank of a stage receives for all of them.
    if (s > 0) {
      graph.edges.push_back(
          {shard_name(replica, s - 1, 0) + ":hidden", shard_name(replica, s, 0) + ":hidden", "hidden"});
    }
    graph.groups.push_back(std::move(group));
  }
  // The ranks of the last stage gather their logits at its first rank.
  graph.nodes.push_back({.name = sampler, .kind = "sampler", .replica = replica});
  graph.edges.push_back({shard_name(replica, stages.size() - 1, 0) + ":logits", sampler + ":logits", "logits"});
}

}  // namespace

std::uint32_t most_shards(const ModelDescription& model) {
  return std::min(leaves_of(model), vocabulary_groups(model));
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
