#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "runtime/model/description.hpp"
#include "troupe/graph.hpp"

namespace troupe {

/// Ranks of the group that a shard is in.
[[nodiscard]] std::uint32_t ranks_of(const Graph& graph, const std::string& node);

/// Do two shards hold the same part of the model, on the same device? Then they share its packed weights, as replicas
/// do.
[[nodiscard]] bool same_part(const Graph& graph, const GraphNode& a, const GraphNode& b);

/// Slots and bytes of the channel of an edge, in a replica of so many stages whose steps have so many rows and
/// sequences at most.
struct ChannelSize {
  std::size_t slots, slot_bytes;
};
[[nodiscard]] ChannelSize channel_size(const ModelDescription& model, std::uint32_t rows, std::uint32_t parallel,
                                       const GraphEdge& edge, std::size_t stages);

/// Does this edge need a channel? Logits that flow straight from a shard to the sampler do not: it samples them itself.
/// Nor does a hidden state that flows into a further rank of a group: the first one's is passed on to it.
[[nodiscard]] bool needs_channel(const Graph& graph, const GraphEdge& edge);

}  // namespace troupe
