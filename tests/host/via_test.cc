// Whole plans over every transport: the bits of one shard. A transport that joins the list is held to it by that.
#include <random>

#include "actors/host/runtime.hpp"
#include "tests/host/staged_graph.hpp"
#include "tests/seed.hpp"
#include "tests/transport/every_transport.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

Runtime runtime_of_all() { return Runtime::Impl::runtime_with(registry_with_bytes()); }

const Ids& prompt() {
  static const Ids ids = [] {
    Ids all;
    for (TokenId i = 0; i < 90; ++i) all.push_back((i * 37 + 11) % 256);
    return all;
  }();
  return ids;
}

/// What a model says: the logits of a text in two chunks, and how it goes on.
struct Said {
  std::vector<float> logits;
  Ids ids;
  bool operator==(const Said&) const = default;
};

Said said_by(const Model& model) { return {logits_of(model, prompt()), continued(model, prompt(), 6)}; }

const LoadOptions options{.threads = 1, .chunk = 64};

Said said_by_one_shard() { return said_by(Runtime().load(tiny_path(), options)); }

/// A graph whose edges and groups are of the transports that `next` gives.
Graph via(Graph graph, const std::function<std::string()>& next) {
  for (GraphEdge& edge : graph.edges) edge.via = next();
  for (GraphGroup& group : graph.groups) group.via = next();
  return graph;
}

TEST_CASE("whole plans over every transport give the bits of one shard") {
  const Said expected = said_by_one_shard();
  const Runtime runtime = runtime_of_all();
  const Checkpoint checkpoint = runtime.open(tiny_path());
  for (const transport::TransportKind* kind : every_transport()) {
    for (const char* plan :
         {"pp2", "tp2", "tp3:1", "pp2.tp2", "dp2.pp3", "pp2.tp4", "sp3", "pp2.sp2.tp2", "cp3", "cp2.tp2"}) {
      INFO(plan << " via " << kind->name);
      LoadOptions planned = options;
      planned.plan = plan;
      const Graph graph = via(checkpoint.expand(planned), [&] { return std::string(kind->name); });
      CHECK(said_by(runtime.load(checkpoint, graph, planned)) == expected);
    }
  }
}

TEST_CASE("plans that mix transports give the bits of one shard") {
  const std::uint32_t seed = first_seed();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const auto kinds = every_transport();
  const auto draw = [&] { return std::string(kinds[random() % kinds.size()]->name); };
  const Said expected = said_by_one_shard();
  const Runtime runtime = runtime_of_all();
  const Checkpoint checkpoint = runtime.open(tiny_path());
  for (const std::string& plan : checkpoint.plans(4)) {
    LoadOptions planned = options;
    planned.plan = plan;
    const Graph graph = via(checkpoint.expand(planned), draw);
    INFO(to_toml(graph));
    CHECK(said_by(runtime.load(checkpoint, graph, planned)) == expected);
  }
}

TEST_CASE("what flows past a host's actors crosses by no pointer") {
  const Said expected = said_by_one_shard();
  Runtime runtime = runtime_of_all();
  runtime.add_actor("tap", factory_of([](const StepView&) {}));
  const Checkpoint checkpoint = runtime.open(tiny_path());
  for (const transport::TransportKind* kind : every_transport()) {
    for (const char* flows : {"hidden", "logits"}) {
      INFO(flows << " via " << kind->name);
      LoadOptions planned = options;
      planned.plan = "pp2.tp2";
      const Graph all = via(checkpoint.expand(planned), [&] { return std::string(kind->name); });
      const Graph graph = with_actors(all, "tap", flows);
      for (const GraphEdge& edge : graph.edges) CHECK(edge.via == kind->name);
      CHECK(said_by(runtime.load(checkpoint, graph, planned)) == expected);
    }
  }
}

TEST_CASE("a model may go while its shards wait in any transport") {
  const Runtime runtime = runtime_of_all();
  const Checkpoint checkpoint = runtime.open(tiny_path());
  for (const transport::TransportKind* kind : every_transport()) {
    LoadOptions planned = options;
    planned.plan = "pp2.tp2";
    const Graph graph = via(checkpoint.expand(planned), [&] { return std::string(kind->name); });
    for (int repetition = 0; repetition < 5; ++repetition) {
      const Model model = runtime.load(checkpoint, graph, planned);
      Generation stream = model.generate(prompt(), tokens(100));
      CHECK(stream.next());
    }
  }
}

TEST_CASE("a transport that nobody knows is named, with those there are", "[bad-input]") {
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  LoadOptions planned = options;
  planned.plan = "pp2.tp2";
  Graph graph = checkpoint.expand(planned);
  graph.edges[0].via = "pigeon";
  graph.groups[1].via = "a\nb";
  const Error error = error_of([&] { (void)runtime.load(checkpoint, graph, planned); });
  CHECK(error.code() == Code::invalid_argument);
  CHECK_THAT(error.message(), Contains("edge r0.sampler:tokens -> r0.s0.t0:tokens: transport \"pigeon\" is unknown; "
                                       "there are memory") &&
                                  Contains("group r0.s1: transport \"a?b\" is unknown"));
  CHECK(checkpoint.memory(graph, planned).size() > 4);  // who only counts can do without
}

}  // namespace
}  // namespace troupe::testing
