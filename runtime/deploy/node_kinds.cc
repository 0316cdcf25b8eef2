#include "runtime/deploy/node_kinds.hpp"

#include <algorithm>

#include "runtime/deploy/memory.hpp"
#include "runtime/text/joined.hpp"

namespace troupe {
namespace {

std::vector<Port> ports_of_shard(const GraphNode& node, const ModelDescription& model) {
  std::vector<Port> ports;
  const std::string_view in = node.layers.first == 0 ? "tokens" : "hidden";
  ports.push_back({in, in, false});
  if (node.layers.last != model.layer_count()) {
    ports.push_back({"hidden", "hidden", true});
  } else if (node.vocabulary.first == 0) {
    ports.push_back({"logits", "logits", true});
  }
  return ports;
}

std::vector<Port> ports_of_sampler(const GraphNode&, const ModelDescription&) {
  return {{"logits", "logits", false}, {"tokens", "tokens", true}};
}

/// A host's actor takes whatever comes.
std::vector<Port> ports_between(const GraphNode&, const ModelDescription&) {
  return {{"in", "", false}, {"out", "", true}};
}

NodeKind host_actor(std::string name) { return {std::move(name), Role::between, ports_between, memory_between}; }

}  // namespace

NodeKinds::NodeKinds()
    : kinds_{{"shard", Role::shard, ports_of_shard, memory_of_shard},
             {"sampler", Role::sampler, ports_of_sampler, memory_of_sampler}} {}

NodeKinds NodeKinds::with_any() {
  NodeKinds kinds;
  kinds.any_ = true;
  return kinds;
}

void NodeKinds::add_host_actor(std::string name) { kinds_.push_back(host_actor(std::move(name))); }

bool NodeKinds::has(std::string_view name) const {
  return any_ || std::any_of(kinds_.begin(), kinds_.end(), [&](const NodeKind& kind) { return kind.name == name; });
}

const NodeKind& NodeKinds::of(const GraphNode& node) const {
  static const NodeKind unknown = host_actor({});
  const auto found =
      std::find_if(kinds_.begin(), kinds_.end(), [&](const NodeKind& kind) { return kind.name == node.kind; });
  return found == kinds_.end() ? unknown : *found;
}

std::string NodeKinds::names() const { return joined(kinds_, &NodeKind::name); }

}  // namespace troupe
