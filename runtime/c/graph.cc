#include "runtime/c/boundary.hpp"
#include "runtime/c/handles.hpp"
#include "runtime/c/options.hpp"
#include "runtime/c/results.hpp"
#include "runtime/c/sized.hpp"

namespace troupe::c {
namespace {

const Checkpoint& of(const troupe_checkpoint* handle) { return needed(handle, "checkpoint").checkpoint; }

Graph graph_of(const char* toml) { return parse_graph(&needed(toml, "graph")); }

/// Runs a call that ends with a text for the caller.
template <class Call>
troupe_status text_from(char** out, const char* name, troupe_error* error, const Call& call) {
  return guarded(error, [&] {
    auto& text = emptied(out, name);
    text = handed_out(call());
  });
}

GraphNode node_of(const troupe_graph_node& given) {
  const troupe_graph_node from = read(&given, troupe_graph_node{}, "troupe_graph_node");
  if (from.reserved != 0) throw unknown_field("troupe_graph_node");
  GraphNode node{.name = &needed(from.name, "name"), .kind = &needed(from.kind, "kind"), .replica = from.replica};
  const bool too_many = from.option_count > SIZE_MAX / 2;
  const auto pairs = texts(from.options, too_many ? SIZE_MAX : from.option_count * 2, "options");
  for (std::size_t i = 0; i < pairs.size(); i += 2) node.options.insert_or_assign(pairs[i], pairs[i + 1]);
  return node;
}

}  // namespace
}  // namespace troupe::c

using namespace troupe;
using namespace troupe::c;

troupe_status troupe_checkpoint_plans(const troupe_checkpoint* checkpoint, uint32_t max_ranks,
                                      troupe_plan_visitor visit, void* user, troupe_error* error) {
  return guarded(error, [&] {
    auto& visitor = needed(visit, "visit");
    for (const std::string& plan : of(checkpoint).plans(max_ranks)) visitor(user, plan.c_str());
  });
}

troupe_status troupe_checkpoint_expand(const troupe_checkpoint* checkpoint, const troupe_load_options* options,
                                       char** graph, troupe_error* error) {
  return text_from(graph, "graph", error, [&] { return to_toml(of(checkpoint).expand(load_options(options))); });
}

troupe_status troupe_checkpoint_memory(const troupe_checkpoint* checkpoint, const char* graph,
                                       const troupe_load_options* options, troupe_memory_visitor visit, void* user,
                                       troupe_error* error) {
  return guarded(error, [&] {
    auto& visitor = needed(visit, "visit");
    for (const ActorMemory& held : of(checkpoint).memory(graph_of(graph), load_options(options))) {
      const troupe_actor_memory memory{.size = sizeof memory,
                                       .actor = held.actor.c_str(),
                                       .weights = held.weights,
                                       .activations = held.activations,
                                       .other = held.other,
                                       .kv_block = held.kv_block,
                                       .kv_full = held.kv_full,
                                       .kv_heads = held.kv_heads,
                                       .total = held.total()};
      visitor(user, &memory);
    }
  });
}

troupe_status troupe_checkpoint_program(const troupe_checkpoint* checkpoint, const char* graph, const char* node,
                                        const troupe_load_options* options, char** listing, troupe_error* error) {
  return text_from(listing, "listing", error, [&] {
    return of(checkpoint).program(graph_of(graph), &needed(node, "node"), load_options(options));
  });
}

void troupe_graph_node_default(troupe_graph_node* node, size_t size) { write(node, size, troupe_graph_node{}); }

troupe_status troupe_graph_insert(const char* graph, const troupe_graph_node* node, const char* from, const char* to,
                                  char** result, troupe_error* error) {
  return text_from(result, "result", error, [&] {
    Graph changed = graph_of(graph);
    changed.insert(node_of(needed(node, "node")), &needed(from, "from"), &needed(to, "to"));
    return to_toml(changed);
  });
}

troupe_status troupe_graph_dot(const char* graph, char** dot, troupe_error* error) {
  return text_from(dot, "dot", error, [&] { return to_dot(graph_of(graph)); });
}
