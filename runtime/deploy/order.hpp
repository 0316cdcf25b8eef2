#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "troupe/error.hpp"
#include "troupe/graph.hpp"

namespace troupe {

/// What of the load options shapes the parts of a graph.
struct DeploySettings {
  std::uint32_t context = 0;   ///< positions of a sequence at most
  std::uint32_t rows = 0;      ///< of a step at most
  std::uint32_t parallel = 1;  ///< sequences of a replica that run at once
  bool fusion = true;
  std::uint64_t kv_memory = 0;  ///< LoadOptions::kv_memory
  bool prefix_cache = true;
  std::string isa{};                        ///< LoadOptions::isa
  std::vector<std::string> fusion_rules{};  ///< LoadOptions::fusion_rules
  double weights_budget = 1.0;              ///< LoadOptions::weights_budget
  double experts_budget = 1.0;              ///< LoadOptions::experts_budget
  friend bool operator==(const DeploySettings&, const DeploySettings&) = default;
};

/// What is to be deployed, as plain data: whoever has it and the model's file draws the same parts (see draw).
struct Order {
  std::uint64_t epoch = 0;  ///< of what is made from it: every making has one of its own
  Graph graph;
  DeploySettings settings;
};

/// As bytes, which are text: the graph's TOML with a table more. And back, as bounded and checked as a graph file;
/// whether it fits the model is checked by draw.
[[nodiscard]] std::string to_text(const Order& order);
[[nodiscard]] Result<Order> order_from(const std::string& text);

/// The part of a graph that is one replica's, as a graph of its own, of replica 0.
[[nodiscard]] Graph replica_of(const Graph& graph, std::uint32_t replica);

/// The same with names that begin "r<from>.", as plans name replicas, beginning "r<to>.", unless one begins so already.
[[nodiscard]] Graph renamed(Graph graph, std::uint32_t from, std::uint32_t to);

}  // namespace troupe
