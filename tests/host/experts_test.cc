#include <algorithm>
#include <limits>
#include <numeric>

#include "tests/host/house.hpp"
#include "tests/host/journal.hpp"
#include "tests/host/staged_graph.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

const Ids prompt{104, 101, 108, 108, 111};

TinyModel with_experts() { return {.architecture = "qwen3moe"}; }

Error refusal(const TinyModel& model) {
  const MemoryFile file(model.file());
  return error_of([&] { (void)Runtime().open(file.path()); });
}

}  // namespace

TEST_CASE("experts: a file whose numbers and tensors disagree is refused by name", "[bad-input]") {
  TinyModel model = with_experts();
  model.left_out = "expert_count";
  CHECK_THAT(refusal(model).message(), Contains("blk.0.ffn_gate.weight is missing"));
  model = with_experts();
  model.left_out = "expert_used_count";
  for (const std::uint32_t used : {0U, 7U}) {
    model.keys = [=](GgufWriter& w) { w.number("qwen3moe.expert_used_count", ElementType::u32, used); };
    CHECK_THAT(refusal(model).message(),
               Contains("qwen3moe.expert_used_count is " + std::to_string(used) + "; it must be between 1 and 6"));
  }
  model = with_experts();
  model.left_out = "expert_count";
  model.keys = [](GgufWriter& w) { w.number("qwen3moe.expert_count", ElementType::u32, 5U); };
  CHECK_THAT(refusal(model).message(), Contains("ffn_gate_inp.weight is 6 x 64") && Contains("ask for 5 x 64"));
  model = with_experts();
  model.keys = [](GgufWriter& w) { w.number("qwen3moe.expert_feed_forward_length", ElementType::u32, 128U); };
  CHECK_THAT(refusal(model).message(),
             Contains("ffn_gate_exps.weight is 6 x 256 x 64 (planes x rows x columns)") && Contains("6 x 128 x 64"));
  model = with_experts();
  model.keys = [](GgufWriter& w) { w.number("qwen3moe.expert_gating_func", ElementType::u32, 2U); };
  CHECK_THAT(refusal(model).message(), Contains("\"qwen3moe.expert_gating_func\" is 2"));
}

TEST_CASE("experts: scores that are no numbers end a request, and say where", "[bad-input]") {
  TinyModel model = with_experts();
  model.edit = [](const std::string& name, std::vector<float>& values) {
    if (name == "blk.2.ffn_gate_inp.weight") values[3 * TinyModel::hidden] = std::numeric_limits<float>::quiet_NaN();
  };
  const MemoryFile file(model.file());
  for (const char* plan : {"", "pp2", "tp2", "sp2", "ep2", "ep3.tp2", "sp2.ep2", "cp2.ep2"}) {
    INFO(plan);
    const Model loaded = Runtime().load(file.path(), {.plan = plan, .threads = 1});
    const Outcome outcome = outcome_of(loaded.generate(prompt, tokens(5)));
    REQUIRE(outcome.code() == Code::out_of_range);
    CHECK_THAT(outcome.error->message(), Contains("layer 2: the scores of its experts (ffn_gate_inp) are not numbers"));
  }
}

TEST_CASE("experts: a sum that is out of range ends a request, wherever its expert is", "[bad-input]") {
  TinyModel model = with_experts();
  model.edit = [](const std::string& name, std::vector<float>& values) {
    if (name != "blk.1.ffn_down_exps.weight") return;
    for (float& value : values) value *= 1e9F;
  };
  const MemoryFile file(model.file());
  for (const char* plan : {"", "tp2", "sp2", "ep2", "ep6", "ep3.tp2", "sp2.ep2"}) {
    INFO(plan);
    const Model loaded = Runtime().load(file.path(), {.plan = plan, .threads = 1});
    const Outcome outcome = outcome_of(loaded.generate(prompt, tokens(5)));
    REQUIRE(outcome.code() == Code::out_of_range);
    CHECK_THAT(outcome.error->message(), Contains("layer 1: a sum is not a number"));
  }
}

TEST_CASE("experts: how much each has to do is counted, and they are dealt out by that while a text goes on") {
  const MemoryFile file(with_experts().file());
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(file.path());
  const Model model = runtime.load(checkpoint, {.threads = 1});
  const auto rows = [&] {
    std::uint64_t all = 0;
    for (const ExpertLoad& layer : model.stats().experts) {
      REQUIRE(layer.rows.size() == 6);
      all += std::accumulate(layer.rows.begin(), layer.rows.end(), std::uint64_t{0});
    }
    return all;
  };
  const std::size_t layers = model.stats().experts.size();
  REQUIRE(layers > 0);
  REQUIRE(rows() == 0);
  const Ids expected = continued(model, prompt, 90);
  const std::uint64_t of_text = (prompt.size() + 89) * 2 * layers;
  std::uint64_t before = rows();
  CHECK(before >= of_text);  // and of a row or two that nobody waited for
  CHECK(before <= of_text + 3 * 2 * layers);
  for (const char* plan : {"ep2", "ep3.tp2", "sp2.ep2", "ep6", "tp2"}) {
    INFO(plan);
    Graph graph = checkpoint.expand({.plan = plan, .threads = 1});
    graph.balance_experts(model.stats().experts, 1);
    for (const GraphGroup& group : graph.groups) CHECK(group.experts.size() == (group.ep > 1 ? layers : 0));
    Generation stream = model.generate(prompt, tokens(90));
    (void)model.replace(graph);
    CHECK(read(stream).ids == expected);
    CHECK(continued(model, prompt, 90) == expected);
    CHECK(rows() >= before + of_text);
    CHECK(rows() <= before + 4 * of_text);  // the first text's once more at most; tp's ranks count each row once
    before = rows();
  }
}

/// All scores are alike, so that the first two experts are chosen.
TinyModel with_favourites() {
  TinyModel model = with_experts();
  model.edit = [](const std::string& name, std::vector<float>& values) {
    if (name.ends_with("ffn_gate_inp.weight")) std::fill(values.begin(), values.end(), 0.0F);
  };
  return model;
}

TEST_CASE("experts: those of the busiest rank move by themselves where that is asked for, and no stream notices") {
  const MemoryFile file(with_favourites().file());
  Journal journal;
  const Runtime runtime({.log = journal.writer()});
  const Ids expected = continued(runtime.load(file.path(), {.threads = 1}), prompt, 60);
  const auto dealt_out = [&] {
    return journal.count(LogLevel::info, "the busiest ranks had 2.00 times an even share");
  };
  const auto run_until_dealt_out = [&](const Model& model, int texts) {
    for (int text = 0; text < texts && dealt_out() == 0; ++text) CHECK(continued(model, prompt, 60) == expected);
    CHECK(continued(model, prompt, 60) == expected);
  };
  const LoadOptions never{.plan = "ep2", .threads = 1};
  run_until_dealt_out(runtime.load(file.path(), never), 5);
  CHECK(dealt_out() == 0);
  LoadOptions often = never;
  often.balance_experts = std::chrono::milliseconds(1);
  const Model model = runtime.load(file.path(), often);
  run_until_dealt_out(model, 2000);
  CHECK(dealt_out() == 1);
  for (int text = 0; text < 5; ++text) CHECK(continued(model, prompt, 60) == expected);
  CHECK(dealt_out() == 1);  // they are even now
  (void)model.replace(model.checkpoint().expand({.plan = "tp2", .threads = 1}));
  CHECK(continued(model, prompt, 60) == expected);
  CHECK(journal.count(LogLevel::warning, "not dealt out") == 0);
}

TEST_CASE("experts: capacity with room for all changes nothing, without it drops or reroutes, which is counted") {
  const MemoryFile file(with_favourites().file());
  const Runtime runtime;
  Ids ids(60);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<TokenId>(i * 7 % 250);
  const auto logits = [&](const char* plan, const ExpertCapacity& capacity, ExpertLoad& all) {
    LoadOptions options{.plan = plan, .threads = 1};
    options.expert_capacity = capacity;
    const Model model = runtime.load(file.path(), options);
    const auto found = logits_of(model, ids);
    for (const ExpertLoad& layer : model.stats().experts) {
      all.dropped += layer.dropped;
      all.rerouted += layer.rerouted;
    }
    return found;
  };
  using Beyond = ExpertCapacity::Beyond;
  ExpertLoad none;
  const auto expected = logits("tp1", {}, none);
  for (const char* plan : {"tp1", "ep2", "tp2"}) {
    INFO(plan);
    ExpertLoad room, dropped, rerouted;
    CHECK(logits(plan, {Beyond::drop, 3.0F}, room) == expected);  // two of six have everything: three even shares
    CHECK(room.dropped + room.rerouted == 0);
    CHECK(logits(plan, {Beyond::drop, 1.0F}, dropped) != expected);
    CHECK(dropped.dropped > 0);
    CHECK(dropped.rerouted == 0);
    CHECK(logits(plan, {Beyond::reroute, 1.0F}, rerouted) != expected);
    CHECK(rerouted.dropped == 0);
    CHECK(rerouted.rerouted == dropped.dropped);
  }
}

TEST_CASE("experts: a capacity that cannot be is refused", "[bad-input]") {
  const Runtime runtime;
  const MemoryFile file(with_experts().file());
  for (const float factor : {0.0F, -1.0F, 1e7F, std::numeric_limits<float>::quiet_NaN()}) {
    LoadOptions options;
    options.expert_capacity = {ExpertCapacity::Beyond::drop, factor};
    CHECK_THAT(error_of([&] { (void)runtime.open(file.path(), options); }).message(), Contains("above 0 and at most"));
  }
  LoadOptions options;
  options.expert_capacity.beyond = ExpertCapacity::Beyond::reroute;
  CHECK_THAT(error_of([&] { (void)runtime.open(tiny_path(), options); }).message(),
             Contains("the model has no experts"));
}

TEST_CASE("experts: what is chosen of all with equal weights is what the order of the file says") {
  TinyModel model = with_favourites();
  const MemoryFile plain(model.file());
  const auto edit = model.edit;
  model.edit = [&](const std::string& name, std::vector<float>& values) {
    edit(name, values);
    if (!name.ends_with("_exps.weight")) return;
    const auto expert = static_cast<std::ptrdiff_t>(values.size() / 6);
    std::fill(values.begin() + 2 * expert, values.end(), 1.0F);  // of those that nobody goes to
  };
  const MemoryFile changed(model.file());
  const Runtime runtime;
  CHECK(continued(runtime.load(plain.path()), prompt, 20) == continued(runtime.load(changed.path()), prompt, 20));
}

TEST_CASE("experts: more or fewer of them are used where that is asked for, as if the file said so") {
  const auto logits = [](const TinyModel& model, const LoadOptions& options) {
    const MemoryFile file(model.file());
    return logits_of(Runtime().load(file.path(), options), prompt);
  };
  const auto plain = logits(with_experts(), {.threads = 1});
  for (const std::uint32_t used : {1U, 3U, 6U}) {
    TinyModel said = with_experts();
    said.left_out = "expert_used_count";
    said.keys = [=](GgufWriter& w) { w.number("qwen3moe.expert_used_count", ElementType::u32, used); };
    const auto expected = logits(said, {.threads = 1});
    CHECK(expected != plain);
    for (const char* plan : {"", "ep3"}) {
      CHECK(logits(with_experts(), {.plan = plan, .threads = 1, .experts_used = used}) == expected);
    }
  }
}

TEST_CASE("experts: no more are used than there are", "[bad-input]") {
  const auto refused = [](const TinyModel& model, std::uint32_t used) {
    const MemoryFile file(model.file());
    return error_of([&] { (void)Runtime().open(file.path(), {.experts_used = used}); }).message();
  };
  CHECK_THAT(refused(with_experts(), 7), Contains("--experts-used): 7 of each row; the model has 6"));
  CHECK_THAT(refused({}, 1), Contains("1 of each row; the model has none"));
}

TEST_CASE("experts: of their weights each rank is promised its part") {
  const MemoryFile file(with_experts().file());
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(file.path());
  std::uint64_t weights = 0;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    if (tensor.name.find("_exps") != std::string::npos) weights += tensor.bytes;
  }
  const auto memory = checkpoint.memory(checkpoint.expand({}), {});
  CHECK(memory[0].weights > weights);
  CHECK(memory[0].weights < 2 * weights);
  const auto shared = checkpoint.memory(checkpoint.expand({.plan = "ep2"}), {});
  CHECK(shared[0].weights - weights / 2 == Approx(memory[0].weights - weights).epsilon(0.1));
  CHECK(shared[1].weights >= weights / 2);  // the rest it has together with the first
  CHECK(shared[1].weights < weights * 6 / 10);
}

}  // namespace troupe::testing
