#include <atomic>

#include "tests/host/staged_graph.hpp"

// A tensor-parallel group has one incoming hidden state: its first rank receives it for all.

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;
using Widths = std::vector<std::uint32_t>;

const Ids text = [] {
  Ids ids;
  for (TokenId id = 0; id < 150; ++id) ids.push_back(id * 7 % 256);  // over several chunks and KV blocks
  return ids;
}();

LoadOptions options_of(bool fusion, std::uint32_t chunk) {
  return {.threads = 1, .chunk = chunk, .parallel = 4, .fusion = fusion};
}

std::string name_of(const Widths& widths) {
  std::string name;
  for (const std::uint32_t width : widths) name += (name.empty() ? "tp" : " -> tp") + std::to_string(width);
  return name;
}

/// What the model says in one shard: logits of a prompt, and how another goes on.
struct Said {
  std::vector<float> logits;
  Ids ids;
  friend bool operator==(const Said&, const Said&) = default;
};

Said said_by(const Model& model) { return {logits_of(model, text), continued(model, {5, 6, 7}, 30)}; }

/// Doubles a few columns of the hidden state.
void amplify(const StepView& step) {
  for (std::size_t i = 0; i < step.out.rows; ++i) {
    for (std::size_t c = 0; c < 8; ++c) step.out.row(i)[c] *= 2.0F;
  }
}

}  // namespace

TEST_CASE("fault 7: stages of any widths follow each other, with the same bits, however their ranks are joined") {
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Said expected = said_by(runtime.load(checkpoint, options_of(true, 512)));
  for (const Widths& widths : {Widths{2, 2}, {2, 1}, {1, 2}, {1, 3}, {3, 1}, {2, 1, 2}, {1, 2, 1, 4}, {2, 4}}) {
    for (const Joints joints : {Joints::first, Joints::fan, Joints::crossed}) {
      for (const bool fusion : {true, false}) {
        INFO(name_of(widths) << ", joints " << static_cast<int>(joints) << ", fusion " << fusion);
        const Graph graph = staged(checkpoint, widths, joints);
        CHECK((said_by(runtime.load(checkpoint, graph, options_of(fusion, 512))) == expected));
      }
    }
    const Model in_chunks = runtime.load(checkpoint, staged(checkpoint, widths), options_of(true, 7));
    CHECK((said_by(in_chunks) == expected));
  }
}

TEST_CASE("fault 7: actors between stages of different widths see each row once, and change it for every rank") {
  Runtime runtime;
  std::atomic<std::size_t> rows{0};
  runtime.add_actor("tap", factory_of([&](const StepView& step) { rows += step.rows.size(); }));
  runtime.add_actor("loud", factory_of(amplify));
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Said plain = said_by(runtime.load(checkpoint, options_of(true, 512)));
  const Said loud = said_by(runtime.load(checkpoint, staged(checkpoint, {1, 1}, {}, {"loud"}), options_of(true, 512)));
  REQUIRE_FALSE(loud == plain);
  for (const Widths& widths : {Widths{2, 2}, {2, 1}, {1, 2}, {3, 4}}) {
    for (const Joints joints : {Joints::first, Joints::fan}) {
      for (const bool fusion : {true, false}) {
        INFO(name_of(widths) << ", joints " << static_cast<int>(joints) << ", fusion " << fusion);
        const LoadOptions options = options_of(fusion, 16);
        rows = 0;
        CHECK((said_by(runtime.load(checkpoint, staged(checkpoint, widths, joints, {"tap"}), options)) == plain));
        CHECK(rows == text.size() + 3 + 29);
        const Graph changed = staged(checkpoint, widths, joints, {"tap", "loud", "tap"});
        CHECK((said_by(runtime.load(checkpoint, changed, options)) == loud));
      }
    }
  }
}

TEST_CASE("fault 7: replicas of different shapes speak alike") {
  Runtime runtime;
  runtime.add_actor("tap", factory_of([](const StepView&) {}));
  const Checkpoint checkpoint = runtime.open(tiny_path());
  Graph graph;
  add_replica(graph, checkpoint, 0, {2, 1});
  add_replica(graph, checkpoint, 1, {1, 2}, Joints::fan, {"tap"});
  add_replica(graph, checkpoint, 2, {1});
  const Model model = runtime.load(checkpoint, graph, options_of(true, 16));
  const Ids expected = continued(runtime.load(checkpoint, options_of(true, 512)), text, 20);
  std::vector<Generation> streams;
  for (int i = 0; i < 9; ++i) streams.push_back(model.generate(text, tokens(20)));
  for (Generation& stream : streams) CHECK(read(stream).ids == expected);
}

TEST_CASE("fault 7: an actor on one of two edges into a group is refused", "[bad-input]") {
  Runtime runtime;
  runtime.add_actor("loud", factory_of(amplify));
  const Checkpoint checkpoint = runtime.open(tiny_path());
  Graph graph = staged(checkpoint, {2, 2}, Joints::crossed);
  graph.insert({.name = "filter", .kind = "loud"}, "r0.s0.t0:hidden", "r0.s1.t1:hidden");
  const Error error = error_of([&] { (void)runtime.load(checkpoint, graph); });
  CHECK(error.code() == Code::invalid_argument);
  CHECK_THAT(error.message(), Contains("group r0.s1") && Contains("actor filter") && Contains("group r0.s0"));
}

TEST_CASE("fault 7: only the edge into a group's first rank takes memory") {
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const auto others = [&](Joints joints) {
    std::vector<std::uint64_t> bytes;
    for (const ActorMemory& actor : checkpoint.memory(staged(checkpoint, {2, 3}, joints), {})) {
      bytes.push_back(actor.other);
    }
    return bytes;
  };
  const auto first = others(Joints::first);  // of the stage of two, the stage of three, the sampler, the router
  REQUIRE(first.size() == 7);
  CHECK(first[2] > 0);
  CHECK(first[3] == 0);
  CHECK(first[4] == 0);
  CHECK(others(Joints::fan) == first);
  CHECK(others(Joints::crossed) == first);
  std::vector<std::uint64_t> plan;
  for (const ActorMemory& actor : checkpoint.memory(checkpoint.expand({.plan = "pp2.tp2"}), {})) {
    plan.push_back(actor.other);
  }
  CHECK(plan[2] == first[2]);
  CHECK(plan[3] == 0);
}

}  // namespace troupe::testing
