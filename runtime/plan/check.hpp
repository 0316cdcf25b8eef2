#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/deploy/node_kinds.hpp"
#include "runtime/model/description.hpp"
#include "troupe/error.hpp"
#include "troupe/graph.hpp"

namespace troupe {

/// What a deployable graph comes to, replica by replica.
struct ReplicaLayout {
  std::vector<const GraphGroup*> stages;      ///< in the order of their layers
  std::vector<const GraphNode*> host_actors;  ///< the host's actors
  const GraphNode* sampler = nullptr;
};

/// Devices that nodes may name, or transports that edges and groups may.
struct KnownNames {
  std::function<bool(const std::string& name)> has;
  std::string names;  ///< for who names another: "cpu, cpu:avx2"
};

/// Checks a graph against a model before anything is deployed: shares whole, every port joined (but "hidden" of ranks
/// after the first of a group), one state into each group, shapes agree, no cycle but the sampler's. The error
/// (invalid_argument, one line) names all that is wrong. The layout points into the graph.
[[nodiscard]] Result<std::vector<ReplicaLayout>> check_graph(const Graph& graph, const ModelDescription& model,
                                                             const NodeKinds& kinds, const KnownNames& devices,
                                                             const KnownNames& transports);

/// "node:port" -> node, port.
[[nodiscard]] std::pair<std::string, std::string> split_end(const std::string& end);

[[nodiscard]] const GraphNode* find_node(const Graph& graph, const std::string& name);

}  // namespace troupe
