#pragma once

#include <string>
#include <vector>

#include "tests/host/house.hpp"

namespace troupe::testing {

/// How the hidden state is led from one stage to the next. All mean the same.
enum class Joints {
  first,    ///< from the first rank into the first
  fan,      ///< from the first rank into every rank
  crossed,  ///< from the last rank into the first, from the one before into the second, and so on in a ring; where
            ///< actors stand between, or not every rank before would lead somewhere, like fan
};

inline std::string shard(std::uint32_t replica, std::size_t stage, std::size_t rank) {
  return "r" + std::to_string(replica) + ".s" + std::to_string(stage) + ".t" + std::to_string(rank);
}

/// Joins two stages of these widths, past a chain of actors, where there are some.
inline void join(Graph& graph, std::uint32_t replica, std::size_t stage, std::size_t before, std::size_t width,
                 Joints joints, const std::vector<std::string>& chain) {
  const auto from = [&](std::size_t rank) { return shard(replica, stage - 1, rank) + ":hidden"; };
  const auto to = [&](std::size_t rank) { return shard(replica, stage, rank) + ":hidden"; };
  std::string past = from(0);
  for (const std::string& kind : chain) {
    const std::string name = kind + "." + shard(replica, stage, graph.nodes.size());
    graph.nodes.push_back({.name = name, .kind = kind, .replica = replica});
    graph.edges.push_back({past, name + ":in", "hidden"});
    past = name + ":out";
  }
  for (std::size_t rank = 0; rank < width; ++rank) {
    if (rank > 0 && joints == Joints::first) break;
    const bool ring = joints == Joints::crossed && chain.empty() && width >= before;
    graph.edges.push_back({ring ? from(before - 1 - rank % before) : past, to(rank), "hidden"});
  }
}

/// A replica whose stages have these widths and together all layers of a model, a layer each and the last the rest.
inline void add_replica(Graph& graph, const Checkpoint& checkpoint, std::uint32_t replica,
                        const std::vector<std::uint32_t>& widths, Joints joints = Joints::first,
                        const std::vector<std::string>& chain = {}) {
  const std::string sampler = "r" + std::to_string(replica) + ".sampler";
  for (std::size_t stage = 0; stage < widths.size(); ++stage) {
    const bool last = stage + 1 == widths.size();
    const Graph whole = checkpoint.expand({.plan = "tp" + std::to_string(widths[stage]), .threads = 1});
    GraphGroup group{"r" + std::to_string(replica) + ".s" + std::to_string(stage), {}};
    for (std::size_t rank = 0; rank < widths[stage]; ++rank) {
      GraphNode node = whole.nodes[rank];
      node.name = shard(replica, stage, rank);
      node.replica = replica;
      const auto first = static_cast<std::uint32_t>(stage);
      node.layers = {first, last ? checkpoint.layers() : first + 1};
      if (!last) node.vocabulary = {};
      if (stage == 0) graph.edges.push_back({sampler + ":tokens", node.name + ":tokens", "tokens"});
      group.nodes.push_back(node.name);
      graph.nodes.push_back(std::move(node));
    }
    if (stage > 0) join(graph, replica, stage, widths[stage - 1], widths[stage], joints, chain);
    graph.groups.push_back(std::move(group));
  }
  graph.nodes.push_back({.name = sampler, .kind = "sampler", .replica = replica});
  graph.edges.push_back({shard(replica, widths.size() - 1, 0) + ":logits", sampler + ":logits", "logits"});
}

inline Graph staged(const Checkpoint& checkpoint, const std::vector<std::uint32_t>& widths,
                    Joints joints = Joints::first, const std::vector<std::string>& chain = {}) {
  Graph graph;
  add_replica(graph, checkpoint, 0, widths, joints, chain);
  return graph;
}

/// The logits of every position of a text.
inline std::vector<float> logits_of(const Model& model, const Ids& ids) {
  std::vector<float> all;
  model.logits(ids, true,
               [&](std::uint32_t, std::span<const float> row) { all.insert(all.end(), row.begin(), row.end()); });
  return all;
}

}  // namespace troupe::testing
