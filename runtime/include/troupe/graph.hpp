#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace troupe {

/// [first, last)
struct Range {
  std::uint32_t first = 0, last = 0;
  [[nodiscard]] std::uint32_t size() const { return last - first; }
  friend bool operator==(const Range&, const Range&) = default;
};

/// One actor of a graph. `kind` is looked up by name: "shard", "sampler", or one that the host added.
struct GraphNode {
  std::string name;
  std::string kind;
  std::string device = "cpu";
  std::uint32_t replica = 0;
  std::uint32_t threads = 1;  ///< of a shard's team

  /// What a shard holds: layers, and of each layer a share of the attention's leaves and of the FFN's; of the output
  /// head (at the last layer's shard) a share of the vocabulary's rows. The shard of layer 0 reads the embedding.
  Range layers{}, attention{}, ffn{}, vocabulary{};
  [[nodiscard]] bool holds_layers() const { return layers != Range{}; }  ///< as shards do

  std::map<std::string, std::string> options{};  ///< of a host's actor, handed to its factory
};

/// What flows from one port to another: "tokens", "hidden" or "logits", and by which transport. Ports are written
/// "node:port".
struct GraphEdge {
  std::string from, to;
  std::string flows;
  std::string via = "memory";
};

/// Which experts of a layer each of a group's `ep` ranks has. Several may have one: they share out its rows.
struct ExpertPlacement {
  std::uint32_t layer = 0;
  std::vector<std::vector<std::uint32_t>> ranks{};  ///< [ep]: numbers of experts, ascending
};

/// The shards of a stage, in rank order, and the transport by which they meet. One hidden state flows into them: the
/// first takes it for all, and ports "hidden" of the others may stay unjoined, or be joined to the same.
///
/// Ranks are sp or cp times ep times those that share out each layer, which stand side by side. Each of sp * cp * ep
/// has all of a layer's weights that are no expert's, and a part of a step's rows. Of the KV cache it has a part, too:
/// with cp every so many positions, else some of the heads where there are leaves enough, or all. Of the layers'
/// experts each of ep has a part, in order and as equal as can be but where `experts` says another.
struct GraphGroup {
  std::string name;
  std::vector<std::string> nodes;
  std::string via = "memory";
  std::uint32_t sp = 1, ep = 1;
  std::vector<ExpertPlacement> experts{};  ///< of some layers of the stage, ascending
  std::uint32_t cp = 1;                    ///< 1 where sp is not; with it, cp times ep is the same in all stages
};

/// Rows that each expert of a layer has been given.
struct ExpertLoad {
  std::uint32_t layer = 0;
  std::vector<std::uint64_t> rows{};        ///< [experts]
  std::uint64_t dropped = 0, rerouted = 0;  ///< choices that found no room: see ExpertCapacity
};

/// What a plan expands to, and what a person may edit.
struct Graph {
  std::uint32_t version = 1;
  std::vector<GraphNode> nodes;
  std::vector<GraphEdge> edges;
  std::vector<GraphGroup> groups;

  /// Puts a node into the edge `from` -> `to` ("node:port"), and into that edge's replica, so that what flows there
  /// passes through its ports "in" and "out", on both sides by the edge's transport. Throws Error (not_found) where
  /// there is no such edge.
  void insert(GraphNode node, const std::string& from, const std::string& to);

  /// Deals the experts of its groups out anew by what they had to do (Stats::experts), so that ranks have about as
  /// much: they move, and where that does not do, those with the most to do get copies at other ranks, at most `spare`
  /// at each beside an even part (after DeepSeek's EPLB). Layers whose experts had nothing stay as they are. For
  /// Model::replace.
  void balance_experts(const std::vector<ExpertLoad>& load, std::uint32_t spare = 1);
};

/// The TOML form, and back. parse_graph throws Error naming the line; whether the graph fits a model is checked by
/// load.
[[nodiscard]] std::string to_toml(const Graph& graph);
[[nodiscard]] Graph parse_graph(const std::string& toml);

/// Graphviz: boxes are actors, clusters are groups, arrows are edges.
[[nodiscard]] std::string to_dot(const Graph& graph);

}  // namespace troupe
