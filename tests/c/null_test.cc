#include "tests/c/c_api.hpp"

namespace troupe::testing {
TEST_CASE("C: what is needed and NULL is refused by name, and what is freed may be NULL", "[bad-input]") {
  const HeldRuntime runtime = new_runtime();
  const HeldCheckpoint checkpoint = opened(runtime);
  troupe_checkpoint* opened = nullptr;
  troupe_model* model = nullptr;
  const auto kind = made(troupe_actor_kind_default);
  const char* const path = tiny_path().c_str();
  needs("cancellation", [](auto* e) { return troupe_cancellation_new(nullptr, e); });
  needs("runtime", [&](auto* e) { return troupe_runtime_new(nullptr, nullptr, e); });
  needs("runtime", [&](auto* e) { return troupe_runtime_add_actor(nullptr, "a", &kind, e); });
  needs("name", [&](auto* e) { return troupe_runtime_add_actor(runtime, nullptr, &kind, e); });
  needs("kind", [&](auto* e) { return troupe_runtime_add_actor(runtime, "a", nullptr, e); });
  needs("runtime", [&](auto* e) { return troupe_checkpoint_open(nullptr, path, nullptr, &opened, e); });
  needs("path", [&](auto* e) { return troupe_checkpoint_open(runtime, nullptr, nullptr, &opened, e); });
  needs("checkpoint", [&](auto* e) { return troupe_checkpoint_open(runtime, path, nullptr, nullptr, e); });
  needs("runtime", [&](auto* e) { return troupe_model_load(nullptr, path, nullptr, &model, e); });
  needs("path", [&](auto* e) { return troupe_model_load(runtime, nullptr, nullptr, &model, e); });
  needs("model", [&](auto* e) { return troupe_model_load(runtime, path, nullptr, nullptr, e); });
  needs("runtime",
        [&](auto* e) { return troupe_model_load_checkpoint(nullptr, checkpoint, nullptr, nullptr, &model, e); });
  needs("checkpoint",
        [&](auto* e) { return troupe_model_load_checkpoint(runtime, nullptr, nullptr, nullptr, &model, e); });
  needs("model",
        [&](auto* e) { return troupe_model_load_checkpoint(runtime, checkpoint, nullptr, nullptr, nullptr, e); });
  needs("model", [&](auto* e) { return troupe_model_checkpoint(nullptr, &opened, e); });
  CHECK(opened == nullptr);
  CHECK(model == nullptr);
  troupe_runtime_free(nullptr);
  troupe_checkpoint_free(nullptr);
  troupe_model_free(nullptr);
  troupe_free(nullptr);
  troupe_cancellation_cancel(nullptr);
  troupe_cancellation_free(nullptr);
}

TEST_CASE("C: a checkpoint's calls refuse NULL by name", "[bad-input]") {
  const HeldRuntime runtime = new_runtime();
  const HeldCheckpoint checkpoint = opened(runtime);
  const std::string graph = expanded(checkpoint, "pp2");
  char* text = nullptr;
  std::int32_t* ids = nullptr;
  std::size_t count = 5;
  const auto node = made(troupe_graph_node_default);
  CHECK(troupe_checkpoint_layers(nullptr) == 0);
  CHECK(troupe_checkpoint_context(nullptr) == 0);
  CHECK(troupe_checkpoint_vocabulary(nullptr) == 0);
  needs("checkpoint", [&](auto* e) {
    return troupe_checkpoint_metadata(
        nullptr, [](auto...) {}, nullptr, e);
  });
  needs("visit", [&](auto* e) { return troupe_checkpoint_metadata(checkpoint, nullptr, nullptr, e); });
  needs("checkpoint", [&](auto* e) {
    return troupe_checkpoint_tensors(
        nullptr, [](auto...) {}, nullptr, e);
  });
  needs("visit", [&](auto* e) { return troupe_checkpoint_tensors(checkpoint, nullptr, nullptr, e); });
  for (auto* split : {troupe_checkpoint_tokenize, troupe_checkpoint_prompt}) {
    needs("checkpoint", [&](auto* e) { return split(nullptr, "a", 1, 1, &ids, &count, e); });
    needs("text", [&](auto* e) { return split(checkpoint, nullptr, 1, 1, &ids, &count, e); });
    needs("ids", [&](auto* e) { return split(checkpoint, "a", 1, 1, nullptr, &count, e); });
    needs("count", [&](auto* e) { return split(checkpoint, "a", 1, 1, &ids, nullptr, e); });
  }
  const troupe_text_span span{"a", 1, 1, 0}, torn{nullptr, 1, 1, 0};
  for (auto* split : {troupe_checkpoint_tokenize_spans, troupe_checkpoint_prompt_spans}) {
    needs("checkpoint", [&](auto* e) { return split(nullptr, &span, 1, &ids, &count, e); });
    needs("spans", [&](auto* e) { return split(checkpoint, nullptr, 1, &ids, &count, e); });
    needs("spans", [&](auto* e) { return split(checkpoint, &torn, 1, &ids, &count, e); });
    needs("ids", [&](auto* e) { return split(checkpoint, &span, 1, nullptr, &count, e); });
    needs("count", [&](auto* e) { return split(checkpoint, &span, 1, &ids, nullptr, e); });
  }
  needs("checkpoint", [&](auto* e) { return troupe_checkpoint_chat(nullptr, "[]", 2, nullptr, &ids, &count, e); });
  needs("messages", [&](auto* e) { return troupe_checkpoint_chat(checkpoint, nullptr, 2, nullptr, &ids, &count, e); });
  needs("ids", [&](auto* e) { return troupe_checkpoint_chat(checkpoint, "[]", 2, nullptr, nullptr, &count, e); });
  needs("count", [&](auto* e) { return troupe_checkpoint_chat(checkpoint, "[]", 2, nullptr, &ids, nullptr, e); });
  CHECK(ids == nullptr);
  CHECK(count == 0);
  needs("checkpoint", [&](auto* e) { return troupe_checkpoint_render(nullptr, "[]", 2, nullptr, &text, nullptr, e); });
  needs("messages",
        [&](auto* e) { return troupe_checkpoint_render(checkpoint, nullptr, 2, nullptr, &text, nullptr, e); });
  needs("text", [&](auto* e) { return troupe_checkpoint_render(checkpoint, "[]", 2, nullptr, nullptr, nullptr, e); });
  needs("checkpoint", [&](auto* e) { return troupe_checkpoint_chat_warning(nullptr, &text, nullptr, e); });
  needs("text", [&](auto* e) { return troupe_checkpoint_chat_warning(checkpoint, nullptr, nullptr, e); });
  const std::int32_t id = 1;
  needs("checkpoint", [&](auto* e) { return troupe_checkpoint_detokenize(nullptr, &id, 1, &text, nullptr, e); });
  needs("ids", [&](auto* e) { return troupe_checkpoint_detokenize(checkpoint, nullptr, 1, &text, nullptr, e); });
  needs("text", [&](auto* e) { return troupe_checkpoint_detokenize(checkpoint, &id, 1, nullptr, nullptr, e); });
  needs("checkpoint", [&](auto* e) {
    return troupe_checkpoint_plans(
        nullptr, 2, [](auto...) {}, nullptr, e);
  });
  needs("visit", [&](auto* e) { return troupe_checkpoint_plans(checkpoint, 2, nullptr, nullptr, e); });
  needs("checkpoint", [&](auto* e) { return troupe_checkpoint_expand(nullptr, nullptr, &text, e); });
  needs("graph", [&](auto* e) { return troupe_checkpoint_expand(checkpoint, nullptr, nullptr, e); });
  needs("checkpoint", [&](auto* e) {
    return troupe_checkpoint_memory(
        nullptr, graph.c_str(), nullptr, [](auto...) {}, nullptr, e);
  });
  needs("graph", [&](auto* e) {
    return troupe_checkpoint_memory(
        checkpoint, nullptr, nullptr, [](auto...) {}, nullptr, e);
  });
  needs("visit",
        [&](auto* e) { return troupe_checkpoint_memory(checkpoint, graph.c_str(), nullptr, nullptr, nullptr, e); });
  needs("checkpoint",
        [&](auto* e) { return troupe_checkpoint_program(nullptr, graph.c_str(), "a", nullptr, &text, e); });
  needs("graph", [&](auto* e) { return troupe_checkpoint_program(checkpoint, nullptr, "a", nullptr, &text, e); });
  needs("node",
        [&](auto* e) { return troupe_checkpoint_program(checkpoint, graph.c_str(), nullptr, nullptr, &text, e); });
  needs("listing",
        [&](auto* e) { return troupe_checkpoint_program(checkpoint, graph.c_str(), "a", nullptr, nullptr, e); });
  needs("graph", [&](auto* e) { return troupe_graph_insert(nullptr, &node, "a", "b", &text, e); });
  needs("node", [&](auto* e) { return troupe_graph_insert(graph.c_str(), nullptr, "a", "b", &text, e); });
  needs("name", [&](auto* e) { return troupe_graph_insert(graph.c_str(), &node, "a", "b", &text, e); });
  needs("graph", [&](auto* e) { return troupe_graph_dot(nullptr, &text, e); });
  needs("dot", [&](auto* e) { return troupe_graph_dot(graph.c_str(), nullptr, e); });
  CHECK(text == nullptr);
}

}  // namespace troupe::testing
