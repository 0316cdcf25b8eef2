#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "runtime/model/description.hpp"
#include "runtime/plan/check.hpp"
#include "runtime/plan/plan.hpp"

namespace troupe::testing {

inline ModelDescription model_of(std::uint32_t layers, std::uint32_t heads, std::uint32_t kv_heads, std::uint32_t ffn,
                                 std::uint32_t vocabulary) {
  ModelDescription model;
  model.architecture = "llama";
  model.layers.assign(layers, {heads, kv_heads, 64, ffn});
  model.hidden = heads * 64;
  model.vocabulary = vocabulary;
  model.context = 2048;
  return model;
}

/// Of SmolLM2-135M and Gemma3-270M, and one with little of everything.
inline ModelDescription smollm2() { return model_of(30, 9, 3, 1536, 49152); }
inline ModelDescription gemma3() { return model_of(18, 4, 1, 2048, 262144); }
inline ModelDescription tiny() { return model_of(3, 2, 1, 64, 100); }

inline Graph graph_of(const std::string& plan, const ModelDescription& model) {
  return expand(parse_plan(plan).value(), model, {}, 1).value();
}

inline NodeKinds kinds_with_tap() {
  NodeKinds kinds;
  kinds.add_host_actor("tap");
  return kinds;
}

inline KnownNames only_cpu() {
  return {[](const std::string& name) { return name == "cpu"; }, "cpu"};
}

inline KnownNames some_transports() {
  return {[](const std::string& name) { return name == "memory" || name == "pigeon"; }, "memory, pigeon"};
}

inline Result<std::vector<ReplicaLayout>> checked(const Graph& graph, const ModelDescription& model) {
  return check_graph(graph, model, kinds_with_tap(), only_cpu(), some_transports());
}

inline bool one_line(const std::string& text) {
  return !text.empty() && std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

inline GraphNode tap(const std::string& name) { return {.name = name, .kind = "tap"}; }

/// What is wrong with a graph, or "none".
inline std::string problems(const Graph& graph, const ModelDescription& model = smollm2()) {
  const auto replicas = checked(graph, model);
  if (replicas) return "none";
  CHECK(replicas.error().code() == Code::invalid_argument);
  CHECK(one_line(replicas.error().message()));
  return replicas.error().message();
}

}  // namespace troupe::testing
