#include <atomic>
#include <map>
#include <mutex>

#include "tests/c/requests.hpp"

namespace troupe::testing {
namespace {

/// The host's side of an actor: who was made, what it saw, what it is to answer.
struct Stage {
  std::atomic<int> made{0}, destroyed{0}, released{0}, wrong{0};
  std::atomic<std::size_t> rows{0};
  troupe_status create_status = TROUPE_OK;
  std::atomic<troupe_status> step_status = TROUPE_OK;  ///< steps run ahead of what the test has seen
  std::map<std::string, std::string> options{};
};

troupe_status create(void* user, const char* const* options, std::size_t count, void** actor, troupe_error* error) {
  auto& stage = *static_cast<Stage*>(user);
  for (std::size_t i = 0; i < count; ++i) stage.options[options[2 * i]] = options[2 * i + 1];
  if (stage.create_status != TROUPE_OK) return troupe_error_set(error, stage.create_status, "no costume");
  ++stage.made;
  *actor = user;
  return TROUPE_OK;
}

troupe_status on_step(void* actor, const troupe_step* step, troupe_error* error) {
  auto& stage = *static_cast<Stage*>(actor);
  if (step->size != sizeof *step || step->columns != TinyModel::hidden || step->requests[0] == 0) ++stage.wrong;
  for (std::size_t i = 0; i < step->rows * step->columns; ++i) {
    if (step->in[i] != step->out[i]) ++stage.wrong;
  }
  stage.rows += step->rows;
  const troupe_status status = stage.step_status;
  return status == TROUPE_OK ? TROUPE_OK : troupe_error_set(error, status, "not on Mondays");
}

troupe_actor_kind kind_of(Stage& stage) {
  auto kind = made(troupe_actor_kind_default);
  kind.user = &stage;
  kind.create = create;
  kind.on_step = on_step;
  kind.destroy = [](void* actor) { ++static_cast<Stage*>(actor)->destroyed; };
  kind.release = [](void* user) { ++static_cast<Stage*>(user)->released; };
  return kind;
}

/// A model of two stages with a tap of the host's between them.
troupe_status load_with_tap(const troupe_runtime* runtime, HeldModel& model, troupe_error* error) {
  const HeldCheckpoint checkpoint = opened(runtime);
  const char* options[] = {"colour", "red"};
  auto node = made(troupe_graph_node_default);
  node.name = "tap";
  node.kind = "tap";
  node.options = options;
  node.option_count = 1;
  const std::string graph = text_from([&](auto** result, auto* said) {
    return troupe_graph_insert(expanded(checkpoint, "pp2").c_str(), &node, "r0.s0.t0:hidden", "r0.s1.t0:hidden", result,
                               said);
  });
  const auto how = load_options("pp2");
  return troupe_model_load_checkpoint(runtime, checkpoint, graph.c_str(), &how, model.out(), error);
}

void add_tap(troupe_runtime* runtime, const troupe_actor_kind& kind) {
  succeeds([&](auto* error) { return troupe_runtime_add_actor(runtime, "tap", &kind, error); });
}

}  // namespace

TEST_CASE("C: a host's actor sees each row, and is given back") {
  Stage stage;
  HeldRuntime runtime = new_runtime();
  add_tap(runtime, kind_of(stage));
  HeldModel model;
  succeeds([&](auto* error) { return load_with_tap(runtime, model, error); });
  CHECK(stage.options.at("colour") == "red");
  CHECK(read(started(model, hello, tokens(6))).ids.size() == 6);
  CHECK(stage.rows >= 10);
  CHECK(stage.wrong == 0);
  model.free();
  CHECK(stage.made == 1);
  CHECK(stage.destroyed == 1);
  CHECK(stage.released == 0);
  runtime.free();
  CHECK(stage.released == 1);
}

TEST_CASE("C: what an actor and its maker answer is the request's and the load's end", "[bad-input]") {
  Stage stage;
  const HeldRuntime runtime = new_runtime();
  add_tap(runtime, kind_of(stage));
  stage.create_status = TROUPE_NOT_FOUND;
  HeldModel none;
  fails(TROUPE_NOT_FOUND, "no costume", [&](auto* error) { return load_with_tap(runtime, none, error); });
  CHECK(stage.destroyed == stage.made);
  stage.create_status = TROUPE_OK;
  HeldModel model;
  succeeds([&](auto* error) { return load_with_tap(runtime, model, error); });
  stage.step_status = TROUPE_UNSUPPORTED;
  const Read got = read(started(model, hello, tokens(6)));
  CHECK(got.status == TROUPE_UNSUPPORTED);
  CHECK(got.message.find("not on Mondays") != std::string::npos);
  stage.step_status = TROUPE_OK;
  CHECK(read(started(model, hello, tokens(6))).ids.size() == 6);
}

TEST_CASE("C: actor kinds that cannot be are refused, and keep nothing", "[bad-input]") {
  Stage stage;
  HeldRuntime runtime = new_runtime();
  auto kind = kind_of(stage);
  add_tap(runtime, kind);
  for (const char* name : {"tap", "shard", ""}) {
    fails(TROUPE_INVALID_ARGUMENT, "cannot be added",
          [&](auto* error) { return troupe_runtime_add_actor(runtime, name, &kind, error); });
  }
  kind.on_step = nullptr;
  fails(TROUPE_INVALID_ARGUMENT, "on_step",
        [&](auto* error) { return troupe_runtime_add_actor(runtime, "other", &kind, error); });
  kind.size = 3;
  fails(TROUPE_INVALID_ARGUMENT, "troupe_actor_kind_default",
        [&](auto* error) { return troupe_runtime_add_actor(runtime, "other", &kind, error); });
  CHECK(stage.released == 0);
  runtime.free();
  CHECK(stage.released == 1);
}

TEST_CASE("C: a kind without create is its user's pointer, and waits for nobody") {
  Stage stage;
  const HeldRuntime runtime = new_runtime();
  auto kind = kind_of(stage);
  kind.create = nullptr;
  add_tap(runtime, kind);
  HeldModel model;
  succeeds([&](auto* error) { return load_with_tap(runtime, model, error); });
  CHECK(read(started(model, hello, tokens(6))).ids.size() == 6);
  CHECK(stage.rows >= 10);
  model.free();
  CHECK(stage.destroyed == 0);
}

}  // namespace troupe::testing
