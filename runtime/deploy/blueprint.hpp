#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/deploy/node_kinds.hpp"
#include "runtime/deploy/order.hpp"
#include "runtime/model/description.hpp"
#include "runtime/plan/check.hpp"
#include "runtime/program/rank_grid.hpp"
#include "troupe/error.hpp"
#include "troupe/graph.hpp"

namespace troupe {

/// One end of a channel. What the two ends know is the same but for the port.
struct PartEnd {
  std::string port, flows;
  std::string via;      ///< the transport by which they meet
  std::string channel;  ///< its name: unique in its epoch, which it holds
  std::size_t slots = 1, slot_bytes = 0;
};

/// The ranks of a stage that a part is one of.
struct PartGroup {
  std::string name, via;
  RankGrid ranks;
};

/// What one node of a graph is, wherever it will run: no pointer, program or shape, which follow from the model's file.
struct Part {
  GraphNode node;
  std::vector<PartEnd> in, out;  ///< a host's actor hears what is sampled behind what flows through it
  PartGroup group;               ///< of size 1 where it is alone
  std::string source;            ///< where it samples: the shard whose logits these are
};

/// The parts of each stage, by number. A stage gets each step and reports once.
struct ReplicaParts {
  std::uint32_t pipeline = 0;  ///< how many of the stages are the model's own, and so how many micro-batches there are
  std::vector<std::vector<std::uint32_t>> stages;
};

struct Blueprint {
  std::uint64_t epoch = 0;
  DeploySettings settings;
  std::vector<Part> parts;
  std::vector<ReplicaParts> replicas;
};

/// From an order and the model to parts: a pure function. Checks the graph first (see check_graph). A sampler whose
/// logits come straight from a shard is no part of its own: that shard samples, and has its ends.
[[nodiscard]] Result<Blueprint> draw(const Order& order, const ModelDescription& model, const NodeKinds& kinds,
                                     const KnownNames& devices, const KnownNames& transports);

/// Where a shard stands in its group.
[[nodiscard]] RankGrid ranks_of(const Graph& graph, const std::string& node);

}  // namespace troupe
