#include <atomic>
#include <cmath>
#include <limits>

#include "tests/host/house.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
const Ids prompt{104, 101, 108, 108, 111};

/// A model with an actor "spoiler" in every edge that carries `flows`, which does `spoil` to the rows at position `at`.
class Spoiled {
 public:
  Spoiled(const char* plan, const char* flows, std::function<void(std::span<float>)> spoil)
      : model_(load(plan, flows, std::move(spoil))) {}

  std::atomic<std::uint32_t> at{UINT32_MAX};
  [[nodiscard]] const Model& model() const { return model_; }

 private:
  Model load(const char* plan, const char* flows, std::function<void(std::span<float>)> spoil) {
    runtime_.add_actor("spoiler", factory_of([this, spoil = std::move(spoil)](const StepView& step) {
                         for (std::size_t i = 0; i < step.rows.size(); ++i) {
                           if (step.rows[i].position == at) spoil(step.out.row(i));
                         }
                       }));
    const LoadOptions options{.plan = plan, .threads = 1, .parallel = 4};
    const Checkpoint checkpoint = runtime_.open(tiny_path());
    return runtime_.load(checkpoint, with_actors(checkpoint.expand(options), "spoiler", flows), options);
  }
  Runtime runtime_;
  Model model_;
};

/// The long requests come to position 20, the short ones do not.
void check_only_the_long_fail(Spoiled& spoiled, const char* reason) {
  const Ids expected = continued(spoiled.model(), prompt, 40);
  spoiled.at = 20;
  std::vector<Generation> streams;
  for (int i = 0; i < 6; ++i) streams.push_back(spoiled.model().generate(prompt, tokens(i % 2 == 0 ? 40 : 10)));
  for (std::size_t i = 0; i < streams.size(); ++i) {
    const Outcome outcome = read(streams[i]);
    CHECK(std::equal(outcome.ids.begin(), outcome.ids.end(), expected.begin()));
    CHECK(outcome.ids.size() <= 16);
    if (i % 2 == 1) {
      CHECK_FALSE(outcome.error);
      CHECK(outcome.ids.size() == 10);
      continue;
    }
    REQUIRE(outcome.code() == Code::out_of_range);
    CHECK_THAT(outcome.error->message(), Contains("actor spoiler") && Contains("position 20") && Contains(reason));
  }
  spoiled.at = UINT32_MAX;
  CHECK(continued(spoiled.model(), prompt, 40) == expected);
}

Outcome speak(const TinyModel& tiny, const LoadOptions& options, const Ids& ids = prompt) {
  const MemoryFile file(tiny.file());
  const Runtime runtime;
  return outcome_of(runtime.load(file.path(), options).generate(ids, tokens(5)));
}

}  // namespace

TEST_CASE("fault 9: logits that an actor spoils end the request, and the error names the actor", "[bad-input]") {
  for (const char* plan : {"tp1", "tp2", "pp2"}) {
    INFO(plan);
    Spoiled one(plan, "logits", [](std::span<float> row) { row[7] = not_a_number; });
    check_only_the_long_fail(one, "not a number");
    Spoiled all(plan, "logits", [](std::span<float> row) { std::fill(row.begin(), row.end(), not_a_number); });
    check_only_the_long_fail(all, "not a number");
    Spoiled none(plan, "logits", [](std::span<float> row) { std::fill(row.begin(), row.end(), -infinity); });
    check_only_the_long_fail(none, "no token is left");
  }
}

TEST_CASE("fault 9: hidden states that an actor spoils end the request, and the error names the actor", "[bad-input]") {
  for (const char* plan : {"pp2", "pp2.tp2"}) {
    for (const float bad : {not_a_number, infinity, -infinity, 3e38F, -1e15F}) {
      INFO(plan << ", " << bad);
      Spoiled spoiled(plan, "hidden", [bad](std::span<float> row) { row[3] = bad; });
      check_only_the_long_fail(spoiled, "hidden");
    }
  }
}

TEST_CASE("fault 9: an actor that passes on what was bad before is not blamed, and what it lets through is found",
          "[bad-input]") {
  TinyModel tiny;
  tiny.edit = [](const std::string& name, std::vector<float>& values) {
    if (name == "output.weight") values[5 * TinyModel::hidden] = not_a_number;
  };
  const MemoryFile file(tiny.file());
  Runtime runtime;
  runtime.add_actor("tap", factory_of([](const StepView&) {}));
  for (const char* plan : {"tp1", "tp2", "pp2"}) {
    const LoadOptions options{.plan = plan, .threads = 1};
    const Checkpoint checkpoint = runtime.open(file.path());
    const Model model = runtime.load(checkpoint, with_actors(checkpoint.expand(options), "tap", "logits"), options);
    const Outcome outcome = outcome_of(model.generate(prompt, tokens(5)));
    REQUIRE(outcome.code() == Code::out_of_range);
    const char* last = std::string(plan) == "pp2" ? "actor r0.s1.t0" : "actor r0.s0.t0";
    CHECK_THAT(outcome.error->message(), Contains(last) && Contains("position 4") && Contains("not a number"));
  }
}

TEST_CASE("fault 9: a logit of plus infinity is a number, and wins", "[bad-input]") {
  Spoiled spoiled("tp1", "logits", [](std::span<float> row) {
    std::fill(row.begin(), row.end(), -infinity);
    row[77] = infinity;
  });
  spoiled.at = 4;
  for (const float temperature : {0.0F, 1.0F}) {
    GenerateOptions options = tokens(1);
    options.sampling = {.temperature = temperature, .top_k = 5, .top_p = 0.9F};
    const Outcome outcome = outcome_of(spoiled.model().generate(prompt, options));
    REQUIRE_FALSE(outcome.error);
    CHECK(outcome.ids == Ids{77});
  }
}

TEST_CASE("fault 9: a sink is given the logits as they are, numbers or not", "[bad-input]") {
  Spoiled spoiled("pp2", "logits", [](std::span<float> row) { row[7] = not_a_number; });
  spoiled.at = 2;
  std::size_t rows = 0, bad = 0;
  spoiled.model().logits(prompt, true, [&](std::uint32_t position, std::span<const float> logits) {
    ++rows;
    if (!std::isnan(logits[7])) return;
    ++bad;
    CHECK(position == 2);
  });
  CHECK(rows == prompt.size());
  CHECK(bad == 1);
}

TEST_CASE("fault 9: a model whose weights are no numbers says so, whatever is spoilt", "[bad-input]") {
  for (const char* plan : {"tp1", "pp2.tp2"}) {
    for (const bool fusion : {true, false}) {
      for (const float weight : {not_a_number, infinity}) {
        for (const char* tensor :
             {"token_embd.weight", "blk.0.attn_norm.weight", "blk.1.attn_q.weight", "blk.1.attn_k.weight",
              "blk.1.attn_v.weight", "blk.1.attn_output.weight", "blk.3.ffn_gate.weight", "blk.2.ffn_up.weight",
              "blk.3.ffn_down.weight", "output_norm.weight", "output.weight"}) {
          INFO(plan << ", fusion " << fusion << ", " << tensor << " " << weight);
          TinyModel tiny;
          tiny.store_all_as(fusion ? kernels::Format::q8_0 : kernels::Format::f32);
          tiny.edit = [&](const std::string& name, std::vector<float>& values) {
            if (name == tensor) std::fill(values.begin(), values.end(), weight);
          };
          const Outcome outcome = speak(tiny, {.plan = plan, .threads = 1, .fusion = fusion});
          CHECK(outcome.ids.empty());
          CHECK(outcome.code() == Code::out_of_range);
        }
      }
    }
  }
}

TEST_CASE("fault 9: an embedding too large to be normed is an error, not zeros", "[bad-input]") {
  for (const char* plan : {"tp1", "tp2", "pp2"}) {
    for (const char* isa : {"reference", ""}) {
      for (const float loud : {3e38F, 1e20F}) {
        TinyModel tiny;
        tiny.store_all_as(kernels::Format::f32);
        tiny.edit = [&](const std::string& name, std::vector<float>& values) {
          if (name == "token_embd.weight") values[65 * TinyModel::hidden + 1] = loud;
        };
        INFO(plan << ", " << isa << ", " << loud);
        const LoadOptions options{.plan = plan, .threads = 1, .isa = isa};
        CHECK(speak(tiny, options, {1, 2, 65, 3}).code() == Code::out_of_range);
        CHECK_FALSE(speak(tiny, options, {1, 2, 3}).error);
      }
    }
  }
}

TEST_CASE("fault 21: an Error that an actor or a sink throws keeps its code, and the message says who threw",
          "[bad-input]") {
  Runtime runtime;
  runtime.add_actor("choosy", factory_of([](const StepView& step) {
                      if (step.rows[0].position == 0) throw Error(Code::unsupported, "not before noon");
                    }));
  const Checkpoint checkpoint = runtime.open(tiny_path());
  for (const char* flows : {"hidden", "logits"}) {
    const LoadOptions options{.plan = "pp2", .threads = 1, .chunk = 1};
    const Model model = runtime.load(checkpoint, with_actors(checkpoint.expand(options), "choosy", flows), options);
    const Outcome outcome = outcome_of(model.generate(Ids{1}, tokens(2)));
    REQUIRE(outcome.code() == Code::unsupported);
    CHECK_THAT(outcome.error->message(), Contains("actor choosy") && Contains("threw: not before noon"));
  }
  const Model model = runtime.load(checkpoint, {.threads = 1});
  const auto thrown = [&](const auto& throws) {
    return error_of([&] { model.logits({1, 2}, true, [&](auto, auto) { throws(); }); });
  };
  const Error kept = thrown([] { throw Error(Code::deadline, "too late for me"); });
  CHECK(kept.code() == Code::deadline);
  CHECK_THAT(kept.message(), Contains("sink threw: too late for me"));
  CHECK(thrown([] { throw std::runtime_error("a bucket"); }).code() == Code::failed);
  CHECK(thrown([] { throw 5; }).code() == Code::failed);
}

TEST_CASE("fault 9: what left its range first is told, not what comes of it", "[bad-input]") {
  struct Spoilt {
    const char *architecture, *tensor;
    float factor;
    const char* said;
  };
  const char* const key = "layer 1: a key is not a number or beyond +-65504, more than the KV cache holds";
  const char* const value = "layer 1: a value is not a number or beyond +-65504, more than the KV cache holds";
  const char* const sum = "layer 1: a sum is not a number or beyond +-524288";
  for (const auto& [architecture, tensor, factor, said] : std::initializer_list<Spoilt>{
           {"llama", "blk.1.attn_q.weight", infinity, "layer 1: a query is not a finite number"},
           {"llama", "blk.1.attn_k.weight", infinity, key},
           {"llama", "blk.1.attn_k.weight", 1e6F, key},  // what the cache would clip
           {"llama", "blk.1.attn_v.weight", infinity, value},
           {"llama", "blk.1.attn_v.weight", 1e6F, value},
           {"llama", "blk.1.attn_output.weight", infinity, sum},
           {"llama", "blk.1.ffn_down.weight", infinity, sum},
           {"granitemoe", "blk.1.attn_q.weight", infinity, "layer 1: a query is not a finite number"},
           {"granitemoe", "blk.1.ffn_gate_inp.weight", infinity, "layer 1: the scores of its experts"},
           {"granitemoe", "blk.1.ffn_down_exps.weight", infinity, sum}}) {
    TinyModel tiny{.architecture = architecture};
    tiny.edit = [&, name = tensor, by = factor](const std::string& each, std::vector<float>& values) {
      if (each != name) return;
      for (float& element : values) element *= by;
    };
    const MemoryFile file(tiny.file());
    const Runtime runtime;
    for (const char* plan : {"tp1", "tp2", "sp2", "cp2", "ep2"}) {
      if (plan == std::string("ep2") && architecture != std::string("granitemoe")) continue;
      for (const bool fusion : {true, false}) {
        INFO(tensor << " times " << factor << ", " << plan << ", fusion " << fusion);
        const Model model = runtime.load(file.path(), {.plan = plan, .threads = 1, .fusion = fusion});
        const Outcome outcome = outcome_of(model.generate(Ids{1, 2, 3}, tokens(5)));
        REQUIRE(outcome.code() == Code::out_of_range);
        CHECK_THAT(outcome.error->message(), Catch::Matchers::StartsWith(said));
      }
    }
  }
}

}  // namespace troupe::testing
