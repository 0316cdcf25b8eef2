#include "runtime/plan/check.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <span>

#include "kernels/packed.hpp"
#include "runtime/plan/plan.hpp"
#include "runtime/program/rank_grid.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

constexpr std::size_t most_named = 20;  ///< of its problems
constexpr std::size_t longest_name = 256;

/// Ports are written "node:port", messages are one line.
bool is_name(const std::string& name) {
  return !name.empty() && name.size() <= longest_name && name.find_first_of(":\"\\") == std::string::npos &&
         on_one_line(name) == name;
}

class Checker {
 public:
  Checker(const Graph& graph, const ModelDescription& model, const NodeKinds& kinds, const KnownNames& devices,
          const KnownNames& transports)
      : graph_(graph), model_(model), kinds_(kinds), devices_(devices), transports_(transports) {}

  Result<std::vector<ReplicaLayout>> run() {
    if (graph_.version != 1) wrong("version " + std::to_string(graph_.version) + " is unknown; this build reads 1");
    if (passes(&Checker::check_size) && passes(&Checker::check_names)) check_all();
    if (problems_ > 0) return error();
    return replicas_;
  }

 private:
  void check_all() {
    check_kinds();
    check_nodes();
    check_samplers();
    if (passes(&Checker::check_groups)) {
      check_layers();
      check_stages();
      check_deals();
    }
    check_edges();
    check_transports();
    check_ports();
    if (problems_ == 0) check_flow();
    if (problems_ == 0) check_states();
  }

  [[nodiscard]] bool is_host(const GraphNode& node) const { return kinds_.is(node, Role::between); }

  void wrong(const std::string& what) {
    if (++problems_ <= most_named) wrong_ += (wrong_.empty() ? "" : "; ") + what;
  }

  /// What rests on something wrong is not looked at: consequences would bury their cause.
  void blame(const std::string& node) { blamed_.insert(node); }
  [[nodiscard]] bool blamed(const std::string& node) const { return blamed_.contains(node); }

  [[nodiscard]] bool passes(void (Checker::*check)()) {
    const std::size_t before = problems_;
    (this->*check)();
    return problems_ == before;
  }

  /// One line, whatever the names hold.
  [[nodiscard]] Error error() const {
    std::string line = "graph: " + wrong_;
    if (problems_ > most_named) line += "; and " + std::to_string(problems_ - most_named) + " more";
    return {Code::invalid_argument, on_one_line(line)};
  }

  /// What follows takes time that grows with the square of these, and more.
  void check_size() {
    std::size_t members = 0;
    for (const GraphGroup& group : graph_.groups) members += group.nodes.size();
    const auto bound = [&](std::size_t count, std::size_t most, const char* what) {
      if (count > most) wrong("it has " + std::to_string(count) + " " + what + "; at most " + std::to_string(most));
    };
    bound(graph_.nodes.size(), most_nodes, "nodes");
    bound(graph_.edges.size(), 4 * most_nodes, "edges");
    bound(graph_.groups.size(), most_nodes, "groups");
    bound(members, most_nodes, "nodes in its groups");
  }

  /// Nodes are looked up by name, and counted by replica.
  void check_names() {
    std::set<std::string> names;
    std::set<std::uint32_t> numbers;
    for (const GraphNode& node : graph_.nodes) {
      if (!names.insert(node.name).second) wrong("two nodes are named " + quoted(node.name));
      if (!is_name(node.name)) wrong(quoted(node.name) + " is no node name");
      if (node.replica >= most_replicas) {
        wrong("node " + node.name + ": replica " + std::to_string(node.replica) + " is beyond the limit of " +
              std::to_string(most_replicas) + " replicas");
      }
      numbers.insert(node.replica);
    }
    if (numbers.empty()) return wrong("it has no nodes");
    replicas_.resize(numbers.size());
    if (*numbers.rbegin() < numbers.size()) return;
    std::uint32_t missing = 0;
    while (numbers.contains(missing)) ++missing;
    wrong("replicas are numbered from 0 on; there is a replica " + std::to_string(*numbers.rbegin()) + ", but none " +
          std::to_string(missing));
  }

  void check_kinds() {
    for (const GraphNode& node : graph_.nodes) {
      if (kinds_.has(node.kind)) continue;
      wrong("node " + node.name + " is of kind \"" + node.kind + "\"; known are " + kinds_.names());
      blame(node.name);
    }
  }

  void check_nodes() {
    for (const GraphNode& node : graph_.nodes) {
      if (!devices_.has(node.device)) {
        wrong("node " + node.name + ": device \"" + node.device + "\" is unknown; there are " + devices_.names);
      }
      if (node.threads < 1 || node.threads > 256) wrong("node " + node.name + ": threads must be between 1 and 256");
      if (blamed(node.name)) continue;
      const bool shard = kinds_.is(node, Role::shard);
      const bool holds =
          node.holds_layers() || node.attention != Range{} || node.ffn != Range{} || node.vocabulary != Range{};
      if (!shard && holds) wrong("node " + node.name + " is no shard, so it holds no layers, leaves or vocabulary");
      if (!is_host(node) && !node.options.empty()) {
        wrong("node " + node.name + " is of kind " + node.kind + "; options are for the host's actors");
      }
      if (!shard && node.threads != 1) wrong("node " + node.name + " is no shard; it has one thread");
    }
  }

  void check_samplers() {
    for (const GraphNode& node : graph_.nodes) {
      ReplicaLayout& replica = replicas_[node.replica];
      if (is_host(node)) replica.host_actors.push_back(&node);
      if (!kinds_.is(node, Role::sampler)) continue;
      if (replica.sampler != nullptr) wrong("replica " + std::to_string(node.replica) + " has two samplers");
      replica.sampler = &node;
    }
    for (std::uint32_t r = 0; r < replicas_.size(); ++r) {
      const bool unsure = std::any_of(graph_.nodes.begin(), graph_.nodes.end(),
                                      [&](const auto& node) { return node.replica == r && blamed(node.name); });
      if (replicas_[r].sampler == nullptr && !unsure) wrong("replica " + std::to_string(r) + " has no sampler");
    }
  }

  void check_groups() {
    std::set<std::string> grouped, names;
    for (const GraphGroup& group : graph_.groups) {
      if (!names.insert(group.name).second) wrong("two groups are named " + quoted(group.name));
      const GraphNode* first = group.nodes.empty() ? nullptr : find_node(graph_, group.nodes[0]);
      if (group.nodes.empty()) wrong("group " + group.name + " is empty");
      check_grid(group);
      if (first != nullptr) check_experts(group, first->layers);
      for (const std::string& name : group.nodes) {
        const GraphNode* node = find_node(graph_, name);
        if (blamed(name)) continue;
        if (node == nullptr || !kinds_.is(*node, Role::shard)) {
          wrong("group " + group.name + " names " + name + ", which is no shard");
          continue;
        }
        if (!grouped.insert(name).second) wrong("shard " + name + " is in two groups");
        group_of_.emplace(name, &group);
        if (first != nullptr && (node->layers != first->layers || node->replica != first->replica)) {
          wrong("group " + group.name + ": " + name + " has other layers, or another replica, than " + first->name);
        }
      }
      if (first != nullptr && !blamed(first->name)) replicas_[first->replica].stages.push_back(&group);
    }
    for (const GraphNode& node : graph_.nodes) {
      if (kinds_.is(node, Role::shard) && !grouped.contains(node.name)) wrong("shard " + node.name + " is in no group");
    }
  }

  /// Ranks are a grid.
  void check_grid(const GraphGroup& group) {
    if (group.sp != 1 && group.cp != 1) {
      return wrong("group " + group.name + ": sp and cp both share out rows; one of them must be 1");
    }
    const bool cp = group.cp != 1;
    const std::uint64_t parts = std::uint64_t{cp ? group.cp : group.sp} * group.ep;
    if (parts == 0 || group.nodes.size() % parts != 0) {
      wrong("group " + group.name + ": " + (cp ? "cp " + std::to_string(group.cp) : "sp " + std::to_string(group.sp)) +
            " times ep " + std::to_string(group.ep) + " must divide its nodes, which are " +
            std::to_string(group.nodes.size()));
    }
    if (group.ep > 1 && group.ep > model_.fewest_experts()) {
      wrong("group " + group.name + ": ep is " + std::to_string(group.ep) + "; the model has " +
            (model_.fewest_experts() == 0 ? "no" : std::to_string(model_.fewest_experts())) + " experts to share out");
    }
  }

  /// Each expert of a layer is at one rank or more, and no rank is without any.
  void check_experts(const GraphGroup& group, Range layers) {
    for (std::size_t i = 0; i < group.experts.size(); ++i) {
      const ExpertPlacement& placement = group.experts[i];
      const std::uint32_t layer = placement.layer;
      const std::string where = "group " + group.name + ", experts of layer " + std::to_string(layer) + ": ";
      if (layer < layers.first || layer >= layers.last || layer >= model_.layer_count()) {
        return wrong(where + "its shards do not have that layer");
      }
      if (i > 0 && layer <= group.experts[i - 1].layer) return wrong(where + "layers must ascend");
      if (const std::string why = fault_of(placement, group.ep, model_.layers[layer].experts); !why.empty()) {
        return wrong(where + why);
      }
    }
  }

  /// Empty where there is none.
  static std::string fault_of(const ExpertPlacement& placement, std::uint32_t ep, std::uint32_t experts) {
    if (experts == 0) return "the layer has none";
    if (placement.ranks.size() != ep) {
      return "there should be a list for each of ep's " + std::to_string(ep) + " ranks, not " +
             std::to_string(placement.ranks.size());
    }
    std::vector<bool> found(experts);
    for (std::size_t rank = 0; rank < ep; ++rank) {
      const std::vector<std::uint32_t>& mine = placement.ranks[rank];
      if (mine.empty()) return "rank " + std::to_string(rank) + " has none";
      for (std::size_t i = 0; i < mine.size(); ++i) {
        if (mine[i] >= experts) {
          return "there is no expert " + std::to_string(mine[i]) + ", they end at " + std::to_string(experts - 1);
        }
        if (i > 0 && mine[i] <= mine[i - 1]) return "those of rank " + std::to_string(rank) + " must ascend";
        found[mine[i]] = true;
      }
    }
    const auto missing = std::find(found.begin(), found.end(), false);
    return missing == found.end() ? "" : "no rank has expert " + std::to_string(missing - found.begin());
  }

  /// The ranks' shares, side by side, are the whole.
  void check_shares(const GraphGroup& group, std::span<const std::string> nodes, Range GraphNode::*share,
                    const char* what, std::uint32_t whole) {
    std::uint32_t next = 0;
    for (const std::string& name : nodes) {
      const Range range = find_node(graph_, name)->*share;
      if (range.first != next || range.last < range.first || (range.last == range.first && whole > 0)) {
        return wrong("shard " + name + ": its " + what + " should begin at " + std::to_string(next) +
                     " and not be empty");
      }
      next = range.last;
    }
    if (next != whole) {
      wrong("group " + group.name + ": the " + what + " of its shards end at " + std::to_string(next) + ", not at " +
            std::to_string(whole));
    }
  }

  /// Those that share out the rows have the same of the layers: they exchange what they make of them.
  void check_alike(const GraphGroup& group, std::span<const std::string> first, std::span<const std::string> layer) {
    for (std::size_t rank = 0; rank < layer.size(); ++rank) {
      const GraphNode &node = *find_node(graph_, layer[rank]), &like = *find_node(graph_, first[rank]);
      if (node.attention == like.attention && node.ffn == like.ffn) continue;
      wrong("group " + group.name + ": " + node.name + " has other leaves than " + like.name +
            ", with which it shares out the rows");
    }
  }

  /// Of one sequence all stages have the same blocks.
  void check_deals() {
    for (const ReplicaLayout& replica : replicas_) {
      const auto parts = [](const GraphGroup* stage) { return grid_of(*stage, 0).kv_parts(); };
      for (const GraphGroup* stage : replica.stages) {
        const GraphGroup* const first = replica.stages.front();
        if (parts(stage) == parts(first)) continue;
        wrong("group " + stage->name + ": the positions of its KV cache are dealt out to " +
              std::to_string(parts(stage)) + " by cp and ep, those of group " + first->name + " to " +
              std::to_string(parts(first)) + "; they must be as many");
      }
    }
  }

  void check_layers() {
    for (std::size_t r = 0; r < replicas_.size(); ++r) {
      auto& stages = replicas_[r].stages;
      const auto layers = [&](const GraphGroup* group) { return find_node(graph_, group->nodes[0])->layers; };
      std::sort(stages.begin(), stages.end(), [&](auto* a, auto* b) { return layers(a).first < layers(b).first; });
      std::uint32_t next = 0;
      const std::size_t before = problems_;
      for (const GraphGroup* stage : stages) {
        const Range mine = layers(stage);
        if (mine.first != next || mine.last <= mine.first) {
          wrong("group " + stage->name + ": its layers should begin at " + std::to_string(next) +
                " and not be empty; they are " + std::to_string(mine.first) + " to " + std::to_string(mine.last));
        }
        next = mine.last;
      }
      if (next != model_.layer_count()) {
        wrong("replica " + std::to_string(r) + ": its layers end at " + std::to_string(next) + ", not at " +
              std::to_string(model_.layer_count()));
      }
      if (problems_ == before) continue;
      for (const GraphGroup* stage : stages) {
        for (const std::string& name : stage->nodes) blame(name);
      }
    }
  }

  void check_stages() {
    for (const ReplicaLayout& replica : replicas_) {
      for (const GraphGroup* stage : replica.stages) {
        const bool last = find_node(graph_, stage->nodes[0])->layers.last == model_.layer_count();
        const std::span<const std::string> nodes(stage->nodes);
        const std::size_t tp = grid_of(*stage, 0).tp;
        for (std::size_t first = 0; first < nodes.size(); first += tp) {
          const auto layer = nodes.subspan(first, tp);
          check_shares(*stage, layer, &GraphNode::attention, "attention leaves", model_.attention_leaves());
          check_shares(*stage, layer, &GraphNode::ffn, "ffn leaves", model_.ffn_leaves());
          check_alike(*stage, nodes.first(tp), layer);
        }
        if (blamed(stage->nodes[0])) continue;  // whether it is the last follows from its layers
        check_shares(*stage, nodes, &GraphNode::vocabulary, "vocabulary rows", last ? model_.vocabulary : 0);
        for (const std::string& name : stage->nodes) {
          if (find_node(graph_, name)->vocabulary.first % kernels::group_rows != 0) {
            wrong("shard " + name + ": its vocabulary must begin at a multiple of " +
                  std::to_string(kernels::group_rows));
          }
        }
      }
    }
  }

  /// The ports of a node on one side.
  [[nodiscard]] std::vector<Port> ports(const GraphNode& node, bool outgoing) const {
    std::vector<Port> ports = kinds_.of(node).ports(node, model_);
    std::erase_if(ports, [&](const Port& port) { return port.out != outgoing; });
    return ports;
  }

  void check_edges() {
    for (const GraphEdge& edge : graph_.edges) {
      const GraphNode *from = find_node(graph_, split_end(edge.from).first),
                      *to = find_node(graph_, split_end(edge.to).first);
      const std::size_t before = problems_;
      check_end(edge, from, true);
      check_end(edge, to, false);
      if (from != nullptr && to != nullptr && from->replica != to->replica) {
        wrong("edge " + edge.from + " -> " + edge.to + " leads from one replica to another");
      }
      if (problems_ == before) continue;
      for (const GraphNode* node : {from, to}) {
        if (node != nullptr) blame(node->name);
      }
    }
  }

  void check_end(const GraphEdge& edge, const GraphNode* node, bool outgoing) {
    const std::string& end = outgoing ? edge.from : edge.to;
    const auto [node_name, port_name] = split_end(end);
    const std::string where = "edge " + edge.from + " -> " + edge.to + ": ";
    if (node == nullptr) return wrong(where + "there is no node " + node_name);
    if (port_name.empty()) return wrong(where + node_name + " names no port; write node:port");
    if (!kinds_.has(node->kind)) return;
    const auto known = ports(*node, outgoing);
    const auto found = std::ranges::find(known, port_name, &Port::name);
    if (found == known.end()) {
      if (blamed(node_name)) return;
      wrong(where + node_name + " has no " + (outgoing ? "output" : "input") + " port \"" + port_name + "\"");
    } else if (!found->flows.empty() && found->flows != edge.flows) {
      wrong(where + std::string(found->flows) + " flow there, not " + edge.flows);
    } else if (is_host(*node) && edge.flows != "hidden" && edge.flows != "logits") {
      wrong(where + "a host's actor takes hidden or logits, not " + edge.flows);
    } else {
      ends_[{outgoing, end}].push_back(&edge);
    }
  }

  void check_transports() {
    const auto check = [&](const std::string& where, const std::string& via) {
      if (!transports_.has(via))
        wrong(where + ": transport \"" + via + "\" is unknown; there are " + transports_.names);
    };
    for (const GraphEdge& edge : graph_.edges) check("edge " + edge.from + " -> " + edge.to, edge.via);
    for (const GraphGroup& group : graph_.groups) check("group " + group.name, group.via);
  }

  /// The first rank of a group takes the hidden state for all and has what all have; the others need no edges.
  [[nodiscard]] bool may_be_open(const GraphNode& node, std::string_view flows) const {
    const auto group = group_of_.find(node.name);
    return flows == "hidden" && group != group_of_.end() && group->second->nodes[0] != node.name;
  }

  void check_ports() {
    for (const GraphNode& node : graph_.nodes) {
      if (blamed(node.name)) continue;
      for (const bool outgoing : {false, true}) {
        for (const Port& port : ports(node, outgoing)) {
          const std::string end = node.name + ":" + std::string(port.name);
          const auto& edges = ends_[{outgoing, end}];
          if (edges.empty() && !may_be_open(node, port.flows)) wrong("port " + end + " is not joined");
          if (edges.size() > 1 && (!outgoing || port.flows == "logits")) {
            wrong("port " + end + " has " + std::to_string(edges.size()) + " edges, not one");
          }
        }
      }
    }
  }

  /// Follows what flows into each node back to the shard that it came from: past a host's actors, which hand on the
  /// same shape.
  const GraphNode* origin(const GraphNode& node, const std::string& port, std::size_t steps) {
    if (steps > graph_.nodes.size()) return nullptr;
    const GraphEdge& edge = *ends_[{false, node.name + ":" + port}][0];
    const GraphNode* from = find_node(graph_, split_end(edge.from).first);
    if (!is_host(*from)) return from;
    const GraphEdge& before = *ends_[{false, from->name + ":in"}][0];
    if (before.flows != edge.flows) {
      wrong("actor " + from->name + " takes " + before.flows + " and gives " + edge.flows + "; it must be the same");
      return nullptr;
    }
    return origin(*from, "in", steps + 1);
  }

  void check_flow() {
    for (const GraphNode& node : graph_.nodes) {
      for (const Port& port : ports(node, false)) {
        const std::string name(port.name);
        if (port.flows == "tokens" || ends_[{false, node.name + ":" + name}].empty()) continue;
        const GraphNode* from = origin(node, name, 0);
        if (from == nullptr) {
          if (problems_ == 0) wrong("a cycle leads through " + node.name);
        } else if (port.flows == "hidden" && from->layers.last != node.layers.first) {
          wrong("the hidden state after layer " + std::to_string(from->layers.last - 1) + " of " + from->name +
                " flows into " + node.name + ", which begins with layer " + std::to_string(node.layers.first));
        }
      }
    }
  }

  /// Who makes what flows into a shard: an actor of the host, or the ranks of a group, which all have the same.
  [[nodiscard]] std::string producer(const GraphEdge& edge) const {
    const std::string from = split_end(edge.from).first;
    const auto group = group_of_.find(from);
    return group == group_of_.end() ? "actor " + from : "group " + group->second->name;
  }

  /// A group has one incoming state, however many edges say so.
  void check_states() {
    for (const GraphGroup& group : graph_.groups) {
      const auto& first = ends_[{false, group.nodes[0] + ":hidden"}];
      if (first.empty()) continue;  // tokens flow in
      for (const std::string& name : group.nodes) {
        const auto& edges = ends_[{false, name + ":hidden"}];
        if (edges.empty() || producer(*edges[0]) == producer(*first[0])) continue;
        wrong("group " + group.name + " has one incoming hidden state, but " + group.nodes[0] + " takes it from " +
              producer(*first[0]) + ", " + name + " from " + producer(*edges[0]) +
              "; join both to the same, or leave " + name + ":hidden unjoined");
      }
    }
  }

  const Graph& graph_;
  const ModelDescription& model_;
  const NodeKinds& kinds_;
  const KnownNames &devices_, &transports_;
  std::vector<ReplicaLayout> replicas_;
  std::map<std::string, const GraphGroup*> group_of_;                           ///< by shard
  std::map<std::pair<bool, std::string>, std::vector<const GraphEdge*>> ends_;  ///< by outgoing, "node:port"
  std::set<std::string> blamed_;                                                ///< nodes
  std::string wrong_;
  std::size_t problems_ = 0;
};

}  // namespace

std::pair<std::string, std::string> split_end(const std::string& end) {
  const std::size_t colon = end.rfind(':');
  if (colon == std::string::npos) return {end, ""};
  return {end.substr(0, colon), end.substr(colon + 1)};
}

const GraphNode* find_node(const Graph& graph, const std::string& name) {
  const auto found =
      std::find_if(graph.nodes.begin(), graph.nodes.end(), [&](const GraphNode& n) { return n.name == name; });
  return found == graph.nodes.end() ? nullptr : &*found;
}

Result<std::vector<ReplicaLayout>> check_graph(const Graph& graph, const ModelDescription& model,
                                               const NodeKinds& kinds, const KnownNames& devices,
                                               const KnownNames& transports) {
  return Checker(graph, model, kinds, devices, transports).run();
}

}  // namespace troupe
