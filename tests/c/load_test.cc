#include <atomic>
#include <cmath>
#include <thread>

#include "tests/c/c_api.hpp"
#include "tests/host/tiny_adapter.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::testing {
namespace {

/// Whatever the host's callbacks were told.
struct Heard {
  std::atomic<int> wrong{0}, released{0}, fractions{0};
  std::atomic<bool> loaded{false}, closed{false};
};

troupe_runtime_options logging(Heard& heard) {
  auto options = made(troupe_runtime_options_default);
  options.user = &heard;
  options.log = [](void* user, std::int32_t level, const char* line, std::size_t length) {
    auto& to = *static_cast<Heard*>(user);
    if (std::string(line).size() != length || level < TROUPE_LOG_DEBUG || level > TROUPE_LOG_ERROR) ++to.wrong;
    if (std::string(line).starts_with("loaded")) to.loaded = true;
    if (std::string(line).starts_with("closed")) to.closed = true;
  };
  options.release = [](void* user) { ++static_cast<Heard*>(user)->released; };
  return options;
}

}  // namespace

TEST_CASE("C: a runtime logs, and lets go of the host's pointer when its last model has closed") {
  Heard heard;
  const auto options = logging(heard);
  HeldRuntime runtime;
  succeeds([&](auto* error) { return troupe_runtime_new(&options, runtime.out(), error); });
  HeldModel model = loaded(runtime);
  CHECK(heard.loaded);
  runtime.free();
  CHECK(heard.released == 0);
  HeldCheckpoint checkpoint;
  succeeds([&](auto* error) { return troupe_model_checkpoint(model, checkpoint.out(), error); });
  model.free();
  CHECK(heard.closed);
  CHECK(heard.wrong == 0);
  CHECK(heard.released == 1);
  CHECK(troupe_checkpoint_layers(checkpoint) == 4);  // outlives both
}

TEST_CASE("C: a runtime that cannot be had keeps nothing of the host's", "[bad-input]") {
  Heard heard;
  auto options = logging(heard);
  options.control_threads = 0;
  troupe_runtime* none = nullptr;
  fails(TROUPE_INVALID_ARGUMENT, "control_threads",
        [&](auto* error) { return troupe_runtime_new(&options, &none, error); });
  CHECK(none == nullptr);
  CHECK(heard.released == 0);
}

TEST_CASE("C: loading tells how far it is, and is cancelled by its callback") {
  const HeldRuntime runtime = new_runtime();
  Heard heard;
  auto options = load_options();
  options.user = &heard;
  options.progress = [](void* user, double fraction) {
    CHECK((fraction >= 0.0 && fraction <= 1.0));
    ++static_cast<Heard*>(user)->fractions;
    return 0;
  };
  HeldModel model;
  succeeds([&](auto* error) { return troupe_model_load(runtime, tiny_path().c_str(), &options, model.out(), error); });
  CHECK(heard.fractions > 0);

  options.progress = [](void*, double) { return 1; };
  troupe_model* none = nullptr;
  fails(TROUPE_CANCELLED, "progress",
        [&](auto* error) { return troupe_model_load(runtime, tiny_path().c_str(), &options, &none, error); });
  CHECK(none == nullptr);
}

TEST_CASE("C: what a model has done is written, and said in lines") {
  const TemporaryFolder folder;
  const std::string path = folder.at("t.json");
  const HeldRuntime runtime = new_runtime();
  auto options = load_options();
  options.trace_events = 1024;
  HeldModel model;
  succeeds([&](auto* error) { return troupe_model_load(runtime, tiny_path().c_str(), &options, model.out(), error); });
  const std::int32_t id = 1;
  const auto ignored = [](void*, std::uint32_t, const float*, std::size_t, troupe_error*) -> troupe_status {
    return TROUPE_OK;
  };
  succeeds([&](auto* error) { return troupe_model_logits(model, &id, 1, 0, nullptr, ignored, nullptr, error); });
  succeeds([&](auto* error) { return troupe_model_write_trace(model, path.c_str(), error); });
  char* text = nullptr;
  succeeds([&](auto* error) { return troupe_trace_summary(path.c_str(), &text, error); });
  CHECK_THAT(std::string(text), Catch::Matchers::Contains("r0.s0.t0"));
  troupe_free(text);
  fails(TROUPE_NOT_FOUND, "nowhere", [&](auto* error) { return troupe_trace_summary("/nowhere", &text, error); });
  CHECK(text == nullptr);
  fails(TROUPE_FAILED, "/no/t", [&](auto* error) { return troupe_model_write_trace(model, "/no/t", error); });
  fails(TROUPE_INVALID_ARGUMENT, "path", [&](auto* error) { return troupe_model_write_trace(model, nullptr, error); });
}

TEST_CASE("C: options that cannot be are refused", "[bad-input]") {
  const HeldRuntime runtime = new_runtime();
  const auto refused = [&](troupe_status status, const std::string& words, auto change) {
    auto options = load_options();
    change(options);
    troupe_model* none = nullptr;
    fails(status, words,
          [&](auto* error) { return troupe_model_load(runtime, tiny_path().c_str(), &options, &none, error); });
    CHECK(none == nullptr);
  };
  refused(TROUPE_INVALID_ARGUMENT, "copy is 2", [](auto& options) { options.copy = 2; });
  refused(TROUPE_INVALID_ARGUMENT, "chunk", [](auto& options) { options.chunk = 0; });
  refused(TROUPE_INVALID_ARGUMENT, "parallel", [](auto& options) { options.parallel = 5000; });
  refused(TROUPE_OUT_OF_MEMORY, "limit", [](auto& options) { options.memory_limit = 1; });
  refused(TROUPE_INVALID_ARGUMENT, "ignore_keys", [](auto& options) { options.ignore_key_count = 1; });
  refused(TROUPE_INVALID_ARGUMENT, "adapters", [](auto& options) { options.adapter_count = 1; });
  refused(TROUPE_INVALID_ARGUMENT, "prefix_weight", [](auto& options) { options.prefix_weight = -1.0F; });
  refused(TROUPE_INVALID_ARGUMENT, "prefix_weight", [](auto& options) { options.prefix_weight = std::nanf(""); });
  refused(TROUPE_INVALID_ARGUMENT, "trace_events", [](auto& options) { options.trace_events = (1U << 24) + 1; });
  refused(TROUPE_INVALID_ARGUMENT, "the model has none", [](auto& options) { options.experts_used = 1; });
  refused(TROUPE_INVALID_ARGUMENT, "experts_beyond is 3", [](auto& options) { options.experts_beyond = 3; });
  refused(TROUPE_INVALID_ARGUMENT, "the model has no experts", [](auto& options) { options.experts_beyond = 1; });
  refused(TROUPE_INVALID_ARGUMENT, "its factor is 0", [](auto& options) {
    options.experts_beyond = TROUPE_EXPERTS_DROP;
    options.expert_capacity = 0.0F;
  });
  static const troupe_adapter nowhere{"/no/such", 1.0F, 0}, nothing{nullptr, 1.0F, 0}, newer{"/no/such", 1.0F, 1};
  const auto with = [](const troupe_adapter& adapter) {
    return [&adapter](auto& options) {
      options.adapters = &adapter;
      options.adapter_count = 1;
    };
  };
  refused(TROUPE_NOT_FOUND, "/no/such", with(nowhere));
  refused(TROUPE_INVALID_ARGUMENT, "adapters", with(nothing));
  refused(TROUPE_UNSUPPORTED, "troupe_adapter", with(newer));
  refused(TROUPE_INVALID_ARGUMENT, "toaster", [](auto& options) { options.isa = "toaster"; });
}

TEST_CASE("C: an adapter changes a model by its scale") {
  const MemoryFile file(TinyAdapter{}.file(open_gguf(tiny_path()).value()));
  const std::string path = file.path();
  const auto logits = [&](const std::vector<troupe_adapter>& adapters) {
    const HeldRuntime runtime = new_runtime();
    auto options = load_options();
    options.adapters = adapters.data();
    options.adapter_count = adapters.size();
    HeldModel model;
    succeeds(
        [&](auto* error) { return troupe_model_load(runtime, tiny_path().c_str(), &options, model.out(), error); });
    std::vector<float> row;
    const std::int32_t ids[] = {1, 2, 3};
    const auto keep = [](void* user, std::uint32_t, const float* values, std::size_t count,
                         troupe_error*) -> troupe_status {
      static_cast<std::vector<float>*>(user)->assign(values, values + count);
      return TROUPE_OK;
    };
    succeeds([&](auto* error) { return troupe_model_logits(model, ids, 3, 0, nullptr, keep, &row, error); });
    return row;
  };
  const std::vector<float> plain = logits({}), whole = logits({{path.c_str(), 1.0F, 0}});
  CHECK(plain.size() == TinyModel::vocabulary);
  CHECK(whole != plain);
  CHECK(logits({{path.c_str(), 0.5F, 0}}) != whole);
  CHECK(logits({{path.c_str(), 0.0F, 0}}) == plain);
}

TEST_CASE("C: a graph is loaded, and one that does not fit is refused") {
  const HeldRuntime runtime = new_runtime();
  const HeldCheckpoint checkpoint = opened(runtime);
  const std::string graph = expanded(checkpoint, "pp2.tp2");
  HeldModel model;
  succeeds([&](auto* error) {
    return troupe_model_load_checkpoint(runtime, checkpoint, graph.c_str(), nullptr, model.out(), error);
  });
  troupe_model* none = nullptr;
  fails(TROUPE_INVALID_ARGUMENT, "", [&](auto* error) {
    return troupe_model_load_checkpoint(runtime, checkpoint, "version = 1", nullptr, &none, error);
  });
  CHECK(none == nullptr);
}

TEST_CASE("C: runtimes stand side by side") {
  std::atomic<int> loads{0};
  std::vector<std::thread> hosts;
  for (int host = 0; host < 4; ++host) {
    hosts.emplace_back([&] {
      HeldRuntime runtime;
      HeldModel model;
      const auto options = load_options("pp2");
      if (troupe_runtime_new(nullptr, runtime.out(), nullptr) != TROUPE_OK) return;
      if (troupe_model_load(runtime, tiny_path().c_str(), &options, model.out(), nullptr) == TROUPE_OK) ++loads;
    });
  }
  for (std::thread& host : hosts) host.join();
  CHECK(loads == 4);
}

}  // namespace troupe::testing
