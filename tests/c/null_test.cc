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

/// Such a count is none: nothing is walked, or multiplied by the size of what is counted.
TEST_CASE("C: counts beyond what any memory holds are refused by name", "[bad-input]") {
  const HeldRuntime runtime = new_runtime();
  const HeldModel model = loaded(runtime);
  HeldCheckpoint checkpoint;
  succeeds([&](auto* e) { return troupe_model_checkpoint(model, checkpoint.out(), e); });
  const std::string graph = expanded(checkpoint, "pp2");
  const std::int32_t some_ids[4] = {1, 2, 3, 4};
  const char* const no_texts[] = {nullptr, "x"};
  const char* const one_text[] = {"x", "y"};
  const troupe_text_span span{"x", 1, 1, 0};
  const troupe_logit_bias bias{1, 1.0F};
  std::int32_t* ids = nullptr;
  char* text = nullptr;
  troupe_request* request = nullptr;
  for (const std::size_t most :
       {std::size_t{1} << 33, std::size_t{1} << 61, (std::size_t{1} << 62) + 2, std::size_t{1} << 63, SIZE_MAX}) {
    INFO(most);
    std::size_t count = 0;
    const auto refuses = [&](const char* name, const auto& call) {
      fails(TROUPE_INVALID_ARGUMENT, std::string("the count of \"") + name + "\" is ", call);
    };
    refuses("text", [&](auto* e) { return troupe_checkpoint_tokenize(checkpoint, "x", most, 0, &ids, &count, e); });
    refuses("text", [&](auto* e) { return troupe_checkpoint_prompt(checkpoint, "x", most, 0, &ids, &count, e); });
    refuses("spans",
            [&](auto* e) { return troupe_checkpoint_tokenize_spans(checkpoint, &span, most, &ids, &count, e); });
    const troupe_text_span long_span{"x", most, 1, 0};
    refuses("spans",
            [&](auto* e) { return troupe_checkpoint_tokenize_spans(checkpoint, &long_span, 1, &ids, &count, e); });
    refuses("ids", [&](auto* e) { return troupe_checkpoint_detokenize(checkpoint, some_ids, most, &text, &count, e); });
    auto options = made(troupe_generate_options_default);
    const auto generates = [&](const char* name) {
      refuses(name, [&](auto* e) { return troupe_model_generate(model, "x", 1, &options, nullptr, &request, e); });
      options = made(troupe_generate_options_default);
    };
    refuses("ids",
            [&](auto* e) { return troupe_model_generate_ids(model, some_ids, most, &options, nullptr, &request, e); });
    options.logit_bias = &bias;
    options.logit_bias_count = most;
    generates("logit_bias");
    options.stop = one_text;
    options.stop_count = most;
    generates("stop");
    options.cache_salt = "x";
    options.cache_salt_length = most;
    generates("cache_salt");
    options.user = "x";
    options.user_length = most;
    generates("user");
    auto node = made(troupe_graph_node_default);
    node.name = node.kind = "a";
    node.options = one_text;
    node.option_count = most;
    refuses("options", [&](auto* e) {
      return troupe_graph_insert(graph.c_str(), &node, "r0.s0.t0:hidden", "r0.s1.t0:hidden", &text, e);
    });
  }
  CHECK(ids == nullptr);
  CHECK(text == nullptr);
  CHECK(request == nullptr);
  auto options = made(troupe_generate_options_default);
  options.stop = no_texts;
  options.stop_count = 2;
  fails(TROUPE_INVALID_ARGUMENT, "element 0 of \"stop\" is NULL",
        [&](auto* e) { return troupe_model_generate(model, "x", 1, &options, nullptr, &request, e); });
}

}  // namespace troupe::testing
