#pragma once

#include <map>

#include "troupe/troupe.hpp"

namespace troupe::testing {

/// Bytes of a replica's KV of one sequence at full context: the least that LoadOptions::kv_memory may be.
inline std::uint64_t one_sequence(const Checkpoint& checkpoint, const Graph& graph, LoadOptions options) {
  options.parallel = 1;
  options.kv_memory = 0;
  std::map<std::uint32_t, std::uint64_t> replicas;
  for (const ActorMemory& actor : checkpoint.memory(graph, options)) {
    for (const GraphNode& node : graph.nodes) {
      if (node.name == actor.actor) replicas[node.replica] += actor.kv_full;
    }
  }
  return replicas[0];
}

}  // namespace troupe::testing
