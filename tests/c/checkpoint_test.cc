#include <map>
#include <vector>

#include "tests/c/c_api.hpp"

namespace troupe::testing {
namespace {

using Ids = std::vector<std::int32_t>;

template <class Split>
Ids ids_from(Split split, const troupe_checkpoint* checkpoint, const std::string& text, int parse_special) {
  std::int32_t* ids = nullptr;
  std::size_t count = 0;
  succeeds(
      [&](auto* error) { return split(checkpoint, text.data(), text.size(), parse_special, &ids, &count, error); });
  const Ids taken(ids, ids + count);
  troupe_free(ids);
  return taken;
}

std::string with_tap(const std::string& graph) {
  const char* options[] = {"colour", "red", "size", "7"};
  auto node = made(troupe_graph_node_default);
  node.name = "tap";
  node.kind = "tap";
  node.options = options;
  node.option_count = 2;
  return text_from([&](auto** result, auto* error) {
    return troupe_graph_insert(graph.c_str(), &node, "r0.s0.t0:hidden", "r0.s1.t0:hidden", result, error);
  });
}

}  // namespace

TEST_CASE("C: a checkpoint says what the file says") {
  HeldRuntime runtime = new_runtime();
  const HeldCheckpoint checkpoint = opened(runtime);
  runtime.free();
  CHECK(troupe_checkpoint_layers(checkpoint) == 4);
  CHECK(troupe_checkpoint_context(checkpoint) == 256);
  CHECK(troupe_checkpoint_vocabulary(checkpoint) == TinyModel::vocabulary);

  std::map<std::string, std::string> metadata;
  succeeds([&](auto* error) {
    return troupe_checkpoint_metadata(
        checkpoint,
        [](void* user, const char* key, const char* value, std::size_t length) {
          static_cast<decltype(metadata)*>(user)->emplace(key, std::string(value, length));
        },
        &metadata, error);
  });
  CHECK(metadata.at("general.architecture") == "llama");
  CHECK(metadata.at("llama.block_count") == "4");

  std::map<std::string, std::uint64_t> tensors;
  succeeds([&](auto* error) {
    return troupe_checkpoint_tensors(
        checkpoint,
        [](void* user, const troupe_tensor_info* tensor) {
          CHECK(tensor->size == sizeof *tensor);
          const std::uint64_t elements = tensor->rows * tensor->columns;
          CHECK(std::string(tensor->format) == (tensor->rows == 1 ? "F32" : "Q8_0"));
          CHECK(tensor->bytes == (tensor->rows == 1 ? 4 * elements : elements / 32 * 34));
          static_cast<decltype(tensors)*>(user)->emplace(tensor->name, tensor->columns);
        },
        &tensors, error);
  });
  CHECK(tensors.at("blk.0.ffn_down.weight") == TinyModel::ffn);
}

TEST_CASE("C: texts become ids, and ids texts") {
  const HeldRuntime runtime = new_runtime();
  const HeldCheckpoint checkpoint = opened(runtime);
  CHECK(ids_from(troupe_checkpoint_tokenize, checkpoint, "hello", 1).size() <= 5);
  CHECK(ids_from(troupe_checkpoint_prompt, checkpoint, "", 1).empty());
  const std::string text("he\0llo <|im_start|>", 19);
  const Ids special = ids_from(troupe_checkpoint_tokenize, checkpoint, text, 1);
  CHECK(special.size() < ids_from(troupe_checkpoint_tokenize, checkpoint, text, 0).size());
  char* back = nullptr;
  std::size_t length = 0;
  succeeds([&](auto* error) {
    return troupe_checkpoint_detokenize(checkpoint, special.data(), special.size(), &back, &length, error);
  });
  CHECK(std::string(back, length) == text);
  CHECK(back[length] == '\0');
  troupe_free(back);
  CHECK(text_from([&](auto** none, auto* error) {
          return troupe_checkpoint_detokenize(checkpoint, nullptr, 0, none, nullptr, error);
        }).empty());
  const std::int32_t wrong = 100000;
  fails(TROUPE_INVALID_ARGUMENT, "100000",
        [&](auto* error) { return troupe_checkpoint_detokenize(checkpoint, &wrong, 1, &back, nullptr, error); });
  CHECK(back == nullptr);
}

TEST_CASE("C: plans, graphs, memory and programs") {
  const HeldRuntime runtime = new_runtime();
  const HeldCheckpoint checkpoint = opened(runtime);
  std::vector<std::string> plans;
  succeeds([&](auto* error) {
    return troupe_checkpoint_plans(
        checkpoint, 2, [](void* user, const char* plan) { static_cast<decltype(plans)*>(user)->emplace_back(plan); },
        &plans, error);
  });
  CHECK(std::find(plans.begin(), plans.end(), "pp2") != plans.end());

  const std::string graph = with_tap(expanded(checkpoint, "pp2"));
  CHECK(graph.find("colour") != std::string::npos);
  CHECK(text_from([&](auto** dot, auto* error) {
          return troupe_graph_dot(graph.c_str(), dot, error);
        }).find("digraph") != std::string::npos);

  std::map<std::string, std::uint64_t> memory;
  const std::string plain = expanded(checkpoint, "pp2");
  const auto options = load_options();
  succeeds([&](auto* error) {
    return troupe_checkpoint_memory(
        checkpoint, plain.c_str(), &options,
        [](void* user, const troupe_actor_memory* held) {
          CHECK(held->total == held->weights + held->activations + held->other + held->kv_full);
          static_cast<decltype(memory)*>(user)->emplace(held->actor, held->weights);
        },
        &memory, error);
  });
  CHECK(memory.at("r0.s0.t0") > 0);
  CHECK(text_from([&](auto** listing, auto* error) {
          return troupe_checkpoint_program(checkpoint, plain.c_str(), "r0.s1.t0", &options, listing, error);
        }).size() > 100);
}

TEST_CASE("C: wrong graphs, nodes and plans are refused by name", "[bad-input]") {
  const HeldRuntime runtime = new_runtime();
  const HeldCheckpoint checkpoint = opened(runtime);
  const std::string graph = expanded(checkpoint, "pp2");
  char* text = nullptr;
  const auto wrong_plan = load_options("pp2.pp2");
  fails(TROUPE_INVALID_ARGUMENT, "pp",
        [&](auto* error) { return troupe_checkpoint_expand(checkpoint, &wrong_plan, &text, error); });
  fails(TROUPE_INVALID_ARGUMENT, "line 1", [&](auto* error) { return troupe_graph_dot("=", &text, error); });
  fails(TROUPE_NOT_FOUND, "nobody", [&](auto* error) {
    return troupe_checkpoint_program(checkpoint, graph.c_str(), "nobody", nullptr, &text, error);
  });
  auto node = made(troupe_graph_node_default);
  node.name = "tap";
  node.kind = "tap";
  fails(TROUPE_NOT_FOUND, "a:b",
        [&](auto* error) { return troupe_graph_insert(graph.c_str(), &node, "a:b", "c:d", &text, error); });
  const char* one[] = {"name", nullptr};
  node.options = one;
  node.option_count = 1;
  fails(TROUPE_INVALID_ARGUMENT, "options", [&](auto* error) {
    return troupe_graph_insert(graph.c_str(), &node, "r0.s0.t0:hidden", "r0.s1.t0:hidden", &text, error);
  });
  node.options = nullptr;
  fails(TROUPE_INVALID_ARGUMENT, "options", [&](auto* error) {
    return troupe_graph_insert(graph.c_str(), &node, "r0.s0.t0:hidden", "r0.s1.t0:hidden", &text, error);
  });
  CHECK(text == nullptr);
}

TEST_CASE("C: what a visitor throws does not get out") {
  const HeldRuntime runtime = new_runtime();
  const HeldCheckpoint checkpoint = opened(runtime);
  fails(TROUPE_FAILED, "no more", [&](auto* error) {
    return troupe_checkpoint_plans(
        checkpoint, 2, [](auto...) { throw std::runtime_error("no more"); }, nullptr, error);
  });
  fails(TROUPE_FAILED, "thrown", [&](auto* error) {
    return troupe_checkpoint_plans(
        checkpoint, 2, [](auto...) { throw 7; }, nullptr, error);
  });
}

}  // namespace troupe::testing
