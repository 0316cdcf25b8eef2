#include "runtime/deploy/wiring.hpp"

#include <algorithm>

#include "runtime/plan/check.hpp"
#include "runtime/program/program.hpp"
#include "runtime/program/tokens.hpp"
#include "runtime/schedule/batcher.hpp"

namespace troupe {
namespace {

/// The first rank of a group, which receives for all of them.
bool leads_group(const Graph& graph, const std::string& shard) {
  return std::any_of(graph.groups.begin(), graph.groups.end(),
                     [&](const GraphGroup& group) { return !group.nodes.empty() && group.nodes[0] == shard; });
}

}  // namespace

std::uint32_t ranks_of(const Graph& graph, const std::string& node) {
  for (const GraphGroup& group : graph.groups) {
    if (std::find(group.nodes.begin(), group.nodes.end(), node) != group.nodes.end()) {
      return static_cast<std::uint32_t>(group.nodes.size());
    }
  }
  return 1;
}

bool same_part(const Graph& graph, const GraphNode& a, const GraphNode& b) {
  return a.device == b.device && a.layers == b.layers && a.attention == b.attention && a.ffn == b.ffn &&
         a.vocabulary == b.vocabulary && ranks_of(graph, a.name) == ranks_of(graph, b.name);
}

ChannelSize channel_size(const ModelDescription& model, std::uint32_t rows, std::uint32_t parallel,
                         const GraphEdge& edge, std::size_t stages) {
  // A receiver may be a step behind; tokens wait for as many steps as may be under way.
  if (edge.flows == "hidden") return {2, std::size_t{rows} * model.hidden * sizeof(float)};
  if (edge.flows == "logits") return {2, logit_tile * model.vocabulary * sizeof(float)};
  return {most_token_messages(stages), token_message_columns(parallel) * sizeof(std::int32_t)};
}

bool needs_channel(const Graph& graph, const GraphEdge& edge) {
  const GraphNode* from = find_node(graph, split_end(edge.from).first);
  const GraphNode* to = find_node(graph, split_end(edge.to).first);
  if (to->kind == "sampler") return from->kind != "shard";
  return edge.flows != "hidden" || to->kind != "shard" || leads_group(graph, to->name);
}

}  // namespace troupe
