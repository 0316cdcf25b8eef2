#include "runtime/deploy/blueprint.hpp"

#include <algorithm>
#include <map>

#include "runtime/program/program.hpp"
#include "runtime/program/tokens.hpp"
#include "runtime/schedule/batcher.hpp"

namespace troupe {
namespace {

class Drawing {
 public:
  Drawing(const Order& order, const ModelDescription& model, const NodeKinds& kinds)
      : order_(order), graph_(order.graph), model_(model), kinds_(kinds) {
    blueprint_.epoch = order.epoch;
    blueprint_.settings = order.settings;
  }

  Blueprint run(const std::vector<ReplicaLayout>& replicas) {
    for (const ReplicaLayout& replica : replicas) add_replica(replica);
    return std::move(blueprint_);
  }

 private:
  void add_replica(const ReplicaLayout& replica) {
    ReplicaParts parts{static_cast<std::uint32_t>(replica.stages.size()), {}};
    for (const GraphGroup* group : replica.stages) {
      parts.stages.emplace_back();
      for (std::uint32_t rank = 0; rank < group->nodes.size(); ++rank) {
        parts.stages.back().push_back(
            add_part(*find_node(graph_, group->nodes[rank]), {name(group->name), group->via, grid_of(*group, rank)}));
      }
    }
    for (const GraphNode* node : replica.host_actors) parts.stages.push_back({add_part(*node, {})});
    const std::string& last_shard = replica.stages.back()->nodes[0];
    if (samples_itself(*replica.sampler)) {
      number_[replica.sampler->name] = number_[last_shard];
    } else {
      parts.stages.push_back({add_part(*replica.sampler, {})});
    }
    blueprint_.parts[number_[replica.sampler->name]].source = last_shard;
    for (const GraphEdge& edge : graph_.edges) {
      if (number_.contains(split_end(edge.to).first)) join(edge, replica.stages.size());
    }
    // The host's actors hear what is sampled, as the first stage does, and by what else they take comes.
    for (const GraphNode* node : replica.host_actors) {
      const std::string via = blueprint_.parts[number_[node->name]].in[0].via;
      add_channel({replica.sampler->name + ":tokens", node->name + ":tokens", "tokens", via}, replica.stages.size());
    }
    number_.clear();
    blueprint_.replicas.push_back(std::move(parts));
  }

  std::uint32_t add_part(const GraphNode& node, PartGroup group) {
    const auto number = static_cast<std::uint32_t>(blueprint_.parts.size());
    blueprint_.parts.push_back({node, {}, {}, std::move(group), {}});
    number_[node.name] = number;
    return number;
  }

  /// Whether no actor stands between the sampler and the shard whose logits it samples.
  [[nodiscard]] bool samples_itself(const GraphNode& sampler) const {
    return std::any_of(graph_.edges.begin(), graph_.edges.end(), [&](const GraphEdge& edge) {
      return split_end(edge.to).first == sampler.name && kinds_.is(node_at(edge.from), Role::shard);
    });
  }

  void join(const GraphEdge& edge, std::size_t stages) {
    if (needs_channel(edge)) add_channel(edge, stages);
  }

  void add_channel(const GraphEdge& edge, std::size_t stages) {
    const auto [from, out] = split_end(edge.from);
    const auto [to, in] = split_end(edge.to);
    PartEnd end{out, edge.flows, edge.via, name(edge.to)};  // one edge leads there
    set_size(end, stages);
    blueprint_.parts[number_[from]].out.push_back(end);
    end.port = in;
    blueprint_.parts[number_[to]].in.push_back(std::move(end));
  }

  /// Logits that flow straight from a shard to the sampler need no channel: it samples them itself. Nor does a hidden
  /// state that flows into a further rank of a group: the first one's is passed on to it.
  [[nodiscard]] bool needs_channel(const GraphEdge& edge) const {
    const GraphNode &from = node_at(edge.from), &to = node_at(edge.to);
    if (kinds_.is(to, Role::sampler)) return !kinds_.is(from, Role::shard);
    return edge.flows != "hidden" || !kinds_.is(to, Role::shard) || leads_group(to.name);
  }

  /// A receiver may be a step behind; tokens wait for as many steps as may be under way.
  void set_size(PartEnd& end, std::size_t stages) const {
    const DeploySettings& settings = order_.settings;
    end.slots = 2;
    if (end.flows == "hidden") {
      end.slot_bytes = std::size_t{settings.rows} * model_.hidden * sizeof(float);
    } else if (end.flows == "logits") {
      end.slot_bytes = logit_tile * model_.vocabulary * sizeof(float);
    } else {
      end.slots = most_token_messages(stages);
      end.slot_bytes = token_message_columns(settings.parallel) * sizeof(std::int32_t);
    }
  }

  /// The first rank of a group receives for all of them.
  [[nodiscard]] bool leads_group(const std::string& shard) const {
    return std::any_of(graph_.groups.begin(), graph_.groups.end(),
                       [&](const GraphGroup& group) { return !group.nodes.empty() && group.nodes[0] == shard; });
  }

  [[nodiscard]] const GraphNode& node_at(const std::string& end) const {
    return *find_node(graph_, split_end(end).first);
  }

  [[nodiscard]] std::string name(const std::string& what) const { return std::to_string(order_.epoch) + "/" + what; }

  const Order& order_;
  const Graph& graph_;
  const ModelDescription& model_;
  const NodeKinds& kinds_;
  std::map<std::string, std::uint32_t> number_;  ///< by node, of the replica's parts
  Blueprint blueprint_;
};

}  // namespace

Result<Blueprint> draw(const Order& order, const ModelDescription& model, const NodeKinds& kinds,
                       const KnownNames& devices, const KnownNames& transports) {
  const auto replicas = check_graph(order.graph, model, kinds, devices, transports);
  if (!replicas) return replicas.error();
  return Drawing(order, model, kinds).run(*replicas);
}

RankGrid ranks_of(const Graph& graph, const std::string& node) {
  for (const GraphGroup& group : graph.groups) {
    const auto found = std::find(group.nodes.begin(), group.nodes.end(), node);
    if (found != group.nodes.end()) return grid_of(group, static_cast<std::uint32_t>(found - group.nodes.begin()));
  }
  return {};
}

}  // namespace troupe
