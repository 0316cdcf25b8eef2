#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/model/description.hpp"
#include "troupe/error.hpp"
#include "troupe/graph.hpp"

namespace troupe {

struct MemoryOrder;
struct Part;
struct ActorMemory;

/// What nodes of a kind are to a graph.
enum class Role : std::uint8_t {
  shard,    ///< holds a part of the model and runs its program, as a rank of a group
  sampler,  ///< where a replica's logits end and its tokens begin: one in each
  between,  ///< takes what flows between two others and gives the same on
};

/// Where edges end. `flows`: the one thing that does; empty: hidden states or logits, whichever come.
struct Port {
  std::string_view name, flows;
  bool out;
};

/// A kind of node, as `GraphNode::kind` names it. Who makes an executor of one is the host's business (see
/// actors/host/workshop).
struct NodeKind {
  std::string name;
  Role role = Role::between;
  std::vector<Port> (*ports)(const GraphNode& node, const ModelDescription& model) = nullptr;
  /// Adds what a part will allocate, by the rules by which it does.
  Result<void> (*memory)(const Part& part, MemoryOrder& order, ActorMemory& memory) = nullptr;
};

/// The kinds by name: shard, sampler, and what a host has added.
class NodeKinds {
 public:
  NodeKinds();

  /// One whose actors are anything to whom only counts or lists: every name is that of a host's actor.
  [[nodiscard]] static NodeKinds with_any();

  void add_host_actor(std::string name);
  [[nodiscard]] bool has(std::string_view name) const;

  /// The kind of a node; of one that nobody knows, as if the host had added it.
  [[nodiscard]] const NodeKind& of(const GraphNode& node) const;
  [[nodiscard]] bool is(const GraphNode& node, Role role) const { return of(node).role == role; }

  [[nodiscard]] std::string names() const;  ///< "shard, sampler"

 private:
  std::vector<NodeKind> kinds_;
  bool any_ = false;
};

}  // namespace troupe
