#include <cfenv>
#include <cstdlib>
#include <thread>

#include "tests/host/house.hpp"
#include "tests/host/own_process.hpp"

#ifdef __x86_64__
#include <xmmintrin.h>
#endif

namespace troupe::testing {
namespace {

/// What a host can see of its thread's floating-point state.
struct State {
  int rounding, traps, flags;
  std::uint64_t control;
  friend bool operator==(const State&, const State&) = default;
};

State state() {
  State now{std::fegetround(), fegetexcept(), std::fetestexcept(FE_ALL_EXCEPT), 0};
#if defined(__x86_64__)
  now.control = _mm_getcsr();
#elif defined(__aarch64__)
  asm volatile("mrs %0, fpcr" : "=r"(now.control));
#endif
  return now;
}

/// What no code should do to a thread, and some does.
void upset_floats() {
  std::fesetround(FE_UPWARD);
#if defined(__x86_64__)
  constexpr unsigned flush_to_zero_and_denormals_are_zero = 0x8040;
  _mm_setcsr(_mm_getcsr() | flush_to_zero_and_denormals_are_zero);
#elif defined(__aarch64__)
  constexpr std::uint64_t flush_to_zero_default_nan_and_other_halves = 7 << 24;
  asm volatile("msr fpcr, %0" : : "r"(state().control | flush_to_zero_default_nan_and_other_halves));
#endif
}

std::vector<float> all_logits(
    const Model& model, const std::function<void()>& each_row = [] {}) {
  std::vector<float> all;
  model.logits({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, true, [&](std::uint32_t, std::span<const float> row) {
    all.insert(all.end(), row.begin(), row.end());
    each_row();
  });
  return all;
}

/// Counts the calls after which the thread's state is another than before.
struct Watch {
  State before = state();
  int changed = 0, calls = 0;
  template <class Call>
  auto operator()(const Call& call) {
    ++calls;
    if constexpr (std::is_void_v<decltype(call())>) {
      call();
      changed += state() == before ? 0 : 1;
    } else {
      auto result = call();
      changed += state() == before ? 0 : 1;
      return result;
    }
  }
};

/// Every call of the API, on a thread whose state is what the host made of it.
void use_all(const Ids& expected) {
  const State host = state();
  const auto this_thread = std::this_thread::get_id();
  int foreign = 0;  // callbacks on this thread that saw another state than the host's
  bool same = true;
  Watch watch;
  const auto looks_right = [&] { foreign += std::this_thread::get_id() == this_thread && state() != host ? 1 : 0; };
  {
    Runtime runtime = watch([&] { return Runtime({.log = [&](LogLevel, std::string_view) { looks_right(); }}); });
    watch([&] {
      runtime.add_actor("tap", [&](const auto&) {
        looks_right();
        return std::make_unique<Doing>([](const StepView&) {});
      });
    });
    const Checkpoint checkpoint = watch([&] { return runtime.open(tiny_path()); });
    (void)watch([&] { return checkpoint.metadata(); });
    (void)watch([&] { return checkpoint.tensors(); });
    (void)watch([&] { return checkpoint.detokenize(checkpoint.prompt("hello")); });
    (void)watch([&] { return checkpoint.tokenize("hello you"); });
    (void)watch([&] { return checkpoint.plans(4); });
    const LoadOptions options{.plan = "pp2", .threads = 1, .progress = [&](double) { looks_right(); }};
    Graph graph = watch([&] { return checkpoint.expand(options); });
    graph = watch([&] { return parse_graph(to_toml(with_actors(graph, "tap", "hidden"))); });
    (void)watch([&] { return to_dot(graph); });
    (void)watch([&] { return checkpoint.memory(graph, options); });
    (void)watch([&] { return checkpoint.program(graph, graph.nodes[0].name, options); });
    watch([&] {
      try {
        (void)checkpoint.expand({.plan = "pp99"});
      } catch (const Error&) {
      }
    });
    std::optional<Model> model = watch([&] { return runtime.load(checkpoint, graph, options); });
    for (int again = 0; again < 2; ++again) {
      std::optional<Generation> stream = watch([&] {
        return model->generate(Ids{1, 2, 3}, tokens(static_cast<std::uint32_t>(expected.size())));
      });
      for (const TokenId id : expected) same = same && watch([&] { return stream->next(); })->id == id;
      watch([&] { stream.reset(); });
    }
    watch([&] { (void)outcome_of(model->generate("hello", tokens(5))); });
    watch([&] { model->logits({1, 2, 3}, true, [](std::uint32_t, std::span<const float>) {}); });
    watch([&] { model->generate(Ids{1}, {}).cancel(); });
    watch([&] {
      Generation stream = model->generate(Ids{1, 2}, tokens(3));
      while (!stream.finish()) (void)stream.next(std::chrono::milliseconds(1));
    });
    watch([&] {
      const Request request = model->generate(Ids{1}, tokens(100), {.on_token = [&](auto&&...) { looks_right(); }});
      request.cancel();
    });
    (void)watch([&] { return model->stats(); });
    (void)watch([&] { return runtime.open_tokenizer(tiny_path()).tokenize("hello"); });
    watch([&] { model.reset(); });
    watch([&] { (void)runtime.load(tiny_path(), {.threads = 2}); });
    watch([&] {
      try {
        (void)runtime.load(tiny_path(), {.progress = [](double) { throw 5; }});
      } catch (int) {
      }
    });
  }
  const bool stayed = state() == host;
  std::fesetenv(FE_DFL_ENV);
  CHECK(watch.calls > 40);
  CHECK(watch.changed == 0);
  CHECK(foreign == 0);
  CHECK(stayed);
  CHECK(same);
}

Ids plain_tokens() { return continued(Runtime().load(tiny_path(), {.threads = 1}), {1, 2, 3}, 12); }

/// A host whose thread traps `traps`, with what else it likes.
void be_a_host(
    int traps, const std::function<void()>& also = [] {}) {
  const Ids expected = plain_tokens();
  also();
  feenableexcept(traps);
  use_all(expected);
}

void check_child(const char* name) {
  INFO(name);
  CHECK(run_in_own_process(name) == 0);
}

}  // namespace

TEST_CASE("a host that traps all but inexact", "[.own-process]") { be_a_host(FE_ALL_EXCEPT & ~FE_INEXACT); }
TEST_CASE("a host that traps all", "[.own-process]") { be_a_host(FE_ALL_EXCEPT); }
TEST_CASE("a host that rounds upwards and flushes denormals and has raised a flag", "[.own-process]") {
  be_a_host(0, [] {
    upset_floats();
    std::feraiseexcept(FE_DIVBYZERO);
  });
}

TEST_CASE("fault 14: a host that traps exceptions gets the same tokens, and its state stays") {
  const char* sanitized = std::getenv("TROUPE_SANITIZE");
  check_child("a host that traps all but inexact");
  check_child("a host that rounds upwards and flushes denormals and has raised a flag");
  if (sanitized != nullptr && *sanitized != '\0') {
    WARN("skipped: a sanitizer's own code need not bear a trap at every inexact result");
    return;
  }
  check_child("a host that traps all");
}

TEST_CASE("fault 14: what callbacks make of the floating-point state changes no bits") {
  const std::vector<float> expected = all_logits(Runtime().load(tiny_path(), {.threads = 1}));
  const State host = state();
  for (const char* plan : {"", "pp2", "tp2", "dp2.pp2"}) {
    for (const char* flows : {"hidden", "logits"}) {
      INFO(plan << ", " << flows);
      Runtime runtime;
      runtime.add_actor("rude", [](const auto&) {
        upset_floats();
        return std::make_unique<Doing>([](const StepView&) { upset_floats(); });
      });
      const LoadOptions options{.plan = plan, .threads = 2, .chunk = 3, .progress = [](double) { upset_floats(); }};
      const Checkpoint checkpoint = runtime.open(tiny_path());
      const Graph graph = checkpoint.expand(options);
      const Model rude = runtime.load(checkpoint, with_actors(graph, "rude", flows), options);
      CHECK(state() == host);
      CHECK((all_logits(rude, upset_floats) == expected));
      const StreamCallbacks upset{.on_token = [](auto&&...) { upset_floats(); },
                                  .on_finish = [](auto&&...) { upset_floats(); }};
      for (int i = 0; i < 3; ++i) (void)rude.generate(Ids{1, 2, 3}, tokens(10), upset);
      CHECK((all_logits(rude, upset_floats) == expected));
      CHECK((all_logits(runtime.load(checkpoint, options)) == expected));
    }
    // Here the sink runs where the shard does.
    const Model model = Runtime().load(tiny_path(), {.plan = plan, .threads = 1, .chunk = 3});
    CHECK((all_logits(model, upset_floats) == expected));
    const auto throwing = [](std::uint32_t, std::span<const float>) {
      upset_floats();
      throw 5;
    };
    CHECK(error_of([&] { model.logits({1, 2}, true, throwing); }).code() == Code::failed);
    CHECK((all_logits(model) == expected));
  }
  CHECK(state() == host);
}

}  // namespace troupe::testing
