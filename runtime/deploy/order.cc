#include "runtime/deploy/order.hpp"

#include <algorithm>
#include <sstream>

#include "kernels/floating_point.hpp"
#include "runtime/plan/check.hpp"
#include "runtime/plan/toml.hpp"

namespace troupe {
namespace {

/// A number that TOML's may be too small for.
std::uint64_t large_number(const toml::table& settings, const char* key) {
  const std::string digits = text(settings, key);
  const bool are =
      !digits.empty() && digits.size() <= 19 && digits.find_first_not_of("0123456789") == std::string::npos;
  if (!are) refuse(settings.source(), std::string("\"") + key + "\" must be a text of at most 19 digits");
  return std::stoull(digits);
}

bool truth(const toml::table& table, const char* key) {
  const toml::node* node = table.get(key);
  if (node == nullptr || !node->is_boolean()) {
    refuse(table.source(), std::string("\"") + key + "\" must be there and be true or false");
  }
  return node->as_boolean()->get();
}

std::vector<std::string> texts(const toml::table& table, const char* key) {
  std::vector<std::string> all;
  const toml::node* const node = table.get(key);
  const bool strings = node != nullptr && node->is_array() &&
                       std::ranges::all_of(*node->as_array(), [](const auto& each) { return each.is_string(); });
  if (!strings) refuse(table.source(), std::string("\"") + key + "\" must be there and be a list of texts");
  for (const toml::node& each : *node->as_array()) all.push_back(each.as_string()->get());
  return all;
}

double share(const toml::table& table, const char* key) {
  const auto value = table[key].value<double>();
  if (value && *value > 0 && *value <= 1) return *value;
  refuse(table.source(), std::string("\"") + key + "\" must be there and be a number above 0 and at most 1");
}

Order parse(const std::string& bytes) {
  const toml::table file = read_toml(bytes);
  Order order;
  order.graph = graph_of(file, {"settings"});
  const toml::node* settings = file.get("settings");
  if (settings == nullptr || !settings->is_table()) refuse(file.source(), "an order has a table [settings]");
  const toml::table& table = *settings->as_table();
  check_keys(table, {"epoch", "context", "rows", "parallel", "fusion", "kv_memory", "prefix_cache", "isa",
                     "fusion_rules", "weights_budget", "experts_budget"});
  order.epoch = large_number(table, "epoch");
  order.settings.context = number(table, "context", 1, 0);
  order.settings.rows = number(table, "rows", 1, 0);
  order.settings.parallel = number(table, "parallel", 1, 0);
  order.settings.fusion = truth(table, "fusion");
  order.settings.kv_memory = large_number(table, "kv_memory");
  order.settings.prefix_cache = truth(table, "prefix_cache");
  order.settings.isa = text(table, "isa");
  order.settings.fusion_rules = texts(table, "fusion_rules");
  order.settings.weights_budget = share(table, "weights_budget");
  order.settings.experts_budget = share(table, "experts_budget");
  return order;
}

void rename(std::string& name, const std::string& from, const std::string& to) {
  if (name.starts_with(from)) name = to + name.substr(from.size());
}

}  // namespace

std::string to_text(const Order& order) {
  const kernels::FloatingPointScope floats;
  toml::table file = table_of(order.graph);
  toml::array rules;
  for (const std::string& rule : order.settings.fusion_rules) rules.push_back(rule);
  file.insert("settings", toml::table{{"epoch", std::to_string(order.epoch)},
                                      {"context", order.settings.context},
                                      {"rows", order.settings.rows},
                                      {"parallel", order.settings.parallel},
                                      {"fusion", order.settings.fusion},
                                      {"kv_memory", std::to_string(order.settings.kv_memory)},
                                      {"prefix_cache", order.settings.prefix_cache},
                                      {"isa", order.settings.isa},
                                      {"fusion_rules", std::move(rules)},
                                      {"weights_budget", order.settings.weights_budget},
                                      {"experts_budget", order.settings.experts_budget}});
  std::ostringstream out;
  out << file << '\n';
  return out.str();
}

Result<Order> order_from(const std::string& bytes) {
  const kernels::FloatingPointScope floats;
  try {
    return parse(bytes);
  } catch (const Error& wrong) {
    return wrong;
  }
}

Graph replica_of(const Graph& graph, std::uint32_t replica) {
  Graph part{.version = graph.version, .nodes = {}, .edges = {}, .groups = {}};
  const auto holds = [&](const std::string& name) { return find_node(part, name) != nullptr; };
  for (const GraphNode& node : graph.nodes) {
    if (node.replica == replica) part.nodes.push_back(node);
  }
  for (GraphNode& node : part.nodes) node.replica = 0;
  std::copy_if(graph.edges.begin(), graph.edges.end(), std::back_inserter(part.edges),
               [&](const GraphEdge& edge) { return holds(split_end(edge.to).first); });
  std::copy_if(graph.groups.begin(), graph.groups.end(), std::back_inserter(part.groups),
               [&](const GraphGroup& group) { return !group.nodes.empty() && holds(group.nodes[0]); });
  return part;
}

Graph renamed(Graph graph, std::uint32_t from, std::uint32_t to) {
  const std::string before = "r" + std::to_string(from) + ".", after = "r" + std::to_string(to) + ".";
  const auto taken = [&](const auto& each) { return each.name.starts_with(after); };
  if (std::any_of(graph.nodes.begin(), graph.nodes.end(), taken) ||
      std::any_of(graph.groups.begin(), graph.groups.end(), taken)) {
    return graph;
  }
  for (GraphNode& node : graph.nodes) rename(node.name, before, after);
  for (GraphEdge& edge : graph.edges) {
    rename(edge.from, before, after);
    rename(edge.to, before, after);
  }
  for (GraphGroup& group : graph.groups) {
    rename(group.name, before, after);
    for (std::string& name : group.nodes) rename(name, before, after);
  }
  return graph;
}

}  // namespace troupe
