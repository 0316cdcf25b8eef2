#include <algorithm>

#include "tests/host/staged_graph.hpp"
#include "tests/seed.hpp"

// Whatever a host writes into the public structs: an error or a program, within bounded work.

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

constexpr std::uint32_t half = 1U << 31, most = UINT32_MAX;

GraphNode& node(Graph& graph, const std::string& name) {
  const auto found =
      std::find_if(graph.nodes.begin(), graph.nodes.end(), [&](const auto& n) { return n.name == name; });
  REQUIRE(found != graph.nodes.end());
  return *found;
}

/// A number that a field may not expect.
std::uint32_t odd_number(Random& random) {
  const std::uint32_t numbers[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 255, 256, 257, 65537, half - 1, half, half + 1, most};
  return random() % 4 == 0 ? random() : numbers[random() % std::size(numbers)];
}

template <class T>
T& any_of(std::vector<T>& all, Random& random) {
  return all[random() % all.size()];
}

void change_node(Graph& graph, Random& random) {
  GraphNode& changed = any_of(graph.nodes, random);
  Range* const ranges[] = {&changed.layers, &changed.attention, &changed.ffn, &changed.vocabulary};
  Range& range = *ranges[random() % 4];
  switch (random() % 8) {
    case 0:
      range = {odd_number(random), odd_number(random)};
      break;
    case 1:
      range.first = odd_number(random);
      break;
    case 2:
      range.last = odd_number(random);
      break;
    case 3:
      changed.threads = odd_number(random);
      break;
    case 4:
      changed.replica = odd_number(random);
      break;
    case 5:
      changed.kind = std::string{"shard", 5} == changed.kind ? "sampler" : "shard";
      break;
    case 6:
      changed.name = random() % 2 == 0 ? any_of(graph.nodes, random).name : "a\nb";
      break;
    default:
      changed.layers = any_of(graph.nodes, random).layers;
  }
}

void change_graph(Graph& graph, Random& random) {
  switch (random() % 8) {
    case 0:
      std::swap(any_of(graph.edges, random).to, any_of(graph.edges, random).to);
      break;
    case 1:
      graph.edges.push_back(any_of(graph.edges, random));
      break;
    case 2:
      graph.edges.erase(graph.edges.begin() + random() % graph.edges.size());
      break;
    case 3: {
      auto& ranks = any_of(graph.groups, random).nodes;
      std::reverse(ranks.begin(), ranks.end());
      break;
    }
    case 4:
      any_of(graph.groups, random).nodes.push_back(any_of(graph.nodes, random).name);
      break;
    case 5:
      graph.nodes.erase(graph.nodes.begin() + random() % graph.nodes.size());
      break;
    default:
      change_node(graph, random);
  }
}

}  // namespace

TEST_CASE("fault 20: a program is built for a checked graph only", "[bad-input]") {
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Graph whole = checkpoint.expand({.plan = "pp2.tp2"});
  const auto refusal = [&](const std::string& name, auto change) {
    Graph graph = whole;
    change(graph);
    const Error error = error_of([&] { (void)checkpoint.program(graph, name, {}); });
    CHECK(error.code() == Code::invalid_argument);
    CHECK(error_of([&] { (void)checkpoint.memory(graph, {}); }).message() == error.message());
    CHECK(error_of([&] { (void)runtime.load(checkpoint, graph, {.threads = 1}); }).message() == error.message());
    return error.message();
  };
  REQUIRE_FALSE(checkpoint.program(whole, "r0.s0.t0", {}).empty());
  CHECK_THAT(refusal("r0.s0.t0", [](Graph& graph) { node(graph, "r0.s0.t0").layers = {5, 3}; }), Contains("r0.s0"));
  CHECK_THAT(refusal("r0.s0.t0", [](Graph& graph) { graph.groups.clear(); }), Contains("is in no group"));
  CHECK_THAT(refusal("r0.s0.t0",
                     [](Graph& graph) {
                       node(graph, "r0.sampler").layers = {5, 3};
                     }),
             Contains("r0.sampler"));
  for (const Range odd : {Range{0, half}, {half, most}, {0, most}, {most, 0}}) {
    for (Range GraphNode::*range :
         {&GraphNode::attention, &GraphNode::ffn, &GraphNode::vocabulary, &GraphNode::layers}) {
      for (const char* name : {"r0.s0.t0", "r0.s1.t1", "r0.sampler"}) {
        CHECK_THAT(refusal(name, [&](Graph& graph) { node(graph, name).*range = odd; }), Contains("r0.s"));
      }
    }
  }
}

TEST_CASE("fault 20: only shards have programs", "[bad-input]") {
  const Checkpoint checkpoint = Runtime().open(tiny_path());
  Graph graph = checkpoint.expand({.plan = "pp2"});
  graph.insert({.name = "tap", .kind = "any"}, "r0.s0.t0:hidden", "r0.s1.t0:hidden");
  for (const char* name : {"r0.sampler", "tap"}) {
    const Error error = error_of([&] { (void)checkpoint.program(graph, name, {}); });
    CHECK(error.code() == Code::invalid_argument);
    CHECK_THAT(error.message(), Contains(name) && Contains("only a shard has a program"));
  }
  CHECK(error_of([&] { (void)checkpoint.program(graph, "no\nbody", {}); }).code() == Code::not_found);
}

TEST_CASE("fault 20: plans lists what can be loaded, and nothing else") {
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const auto all = checkpoint.plans(most);
  CHECK(checkpoint.plans(0).empty());
  CHECK(checkpoint.plans(half) == all);
  CHECK(std::find(all.begin(), all.end(), "dp128") != all.end());  // with a sampler each, all that a graph may have
  for (const std::string& plan : all) {
    INFO(plan);
    CHECK_NOTHROW(checkpoint.expand({.plan = plan}));
  }
  for (const std::string& plan : checkpoint.plans(8)) {
    INFO(plan);
    CHECK_NOTHROW(checkpoint.memory(checkpoint.expand({.plan = plan}), {}));
  }
}

TEST_CASE("options of any size are refused or obeyed, by every call that takes them", "[bad-input]") {
  const Checkpoint checkpoint = Runtime().open(tiny_path());
  const Graph graph = checkpoint.expand({.plan = "pp2"});
  using Field = std::uint32_t LoadOptions::*;
  for (const Field field : {&LoadOptions::threads, &LoadOptions::context, &LoadOptions::chunk, &LoadOptions::parallel,
                            &LoadOptions::queue}) {
    for (const std::uint32_t value : {0U, 1U, half, most}) {
      LoadOptions options;
      options.*field = value;
      const auto message = [&](const auto& call) {
        try {
          call();
        } catch (const Error& error) {
          return error.message();
        }
        return std::string("none");
      };
      const std::string said = message([&] { (void)checkpoint.expand(options); });
      CHECK((said == "none" || said.find("must be between") != std::string::npos));
      if (value == 1) CHECK(said == "none");
      if (value >= half) CHECK(said != "none");
      CHECK(message([&] { (void)checkpoint.memory(graph, options); }) == said);
      CHECK(message([&] { (void)checkpoint.program(graph, "r0.s0.t0", options); }) == said);
    }
  }
}

TEST_CASE("fault 20: a graph with anything changed is refused in one line, or means the same", "[bad-input]") {
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Ids expected = continued(runtime.load(checkpoint, {.threads = 1}), {1, 2, 3}, 5);
  const std::string plans[] = {"pp2.tp2", "dp2.pp2", "tp3", "pp4", "dp2.tp2"};
  std::size_t refused = 0, accepted = 0;
  for (std::uint32_t seed = first_seed(); seed < first_seed() + 500; ++seed) {
    Random random(seed);
    const std::string& plan = plans[seed % std::size(plans)];
    INFO("seed " << seed << ", " << plan);
    const LoadOptions options{.plan = plan, .threads = 1};
    Graph graph = checkpoint.expand(options);
    for (unsigned changes = 1 + random() % 3; changes > 0 && !graph.nodes.empty() && !graph.edges.empty(); --changes) {
      change_graph(graph, random);
    }
    (void)to_dot(graph);
    (void)to_toml(graph);
    const auto error = [&]() -> std::optional<Error> {
      try {
        (void)checkpoint.memory(graph, options);
      } catch (const Error& thrown) {
        return thrown;
      }
      return std::nullopt;
    }();
    for (const GraphNode& each : graph.nodes) {
      if (error)
        CHECK(error_of([&] { (void)checkpoint.program(graph, each.name, options); }).message() == error->message());
      if (!error && each.kind == "shard") CHECK_FALSE(checkpoint.program(graph, each.name, options).empty());
    }
    error ? ++refused : ++accepted;
    if (error) continue;
    std::uint32_t threads = 0;
    for (const GraphNode& each : graph.nodes) threads += each.threads;
    if (threads <= 20) CHECK(continued(runtime.load(checkpoint, graph, options), {1, 2, 3}, 5) == expected);
  }
  CHECK(refused > 200);
  CHECK(accepted > 10);
}

TEST_CASE("fault 20: a KV cache beyond any machine is an error, not a sum that has wrapped", "[bad-input]") {
  constexpr std::uint32_t layers = 33, heads = 128, hidden = 32, ffn = 256, columns = heads * 256, context = 1U << 24;
  GgufWriter writer = tiny_bpe().bpe();
  writer.string("general.architecture", "llama");
  for (const auto& [key, value] : std::map<std::string, std::uint32_t>{{"block_count", layers},
                                                                       {"embedding_length", hidden},
                                                                       {"feed_forward_length", ffn},
                                                                       {"attention.head_count", heads},
                                                                       {"attention.key_length", 256},
                                                                       {"attention.value_length", 256},
                                                                       {"rope.dimension_count", 256},
                                                                       {"context_length", context}}) {
    writer.number("llama." + key, ElementType::u32, value);
  }
  write_needed_keys(writer, "llama");
  std::size_t bytes = 0;
  const auto add = [&](const std::string& name, std::uint64_t rows, std::uint64_t row) {
    writer.tensor(name, rows == 1 ? std::vector{row} : std::vector{row, rows}, 0, bytes);
    bytes += rows * row * sizeof(float);
  };
  add("token_embd.weight", 272, hidden);
  add("output_norm.weight", 1, hidden);
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    const std::string blk = "blk." + std::to_string(layer) + ".";
    for (const char* name : {"attn_norm", "ffn_norm"}) add(blk + name + ".weight", 1, hidden);
    for (const char* name : {"attn_q", "attn_k", "attn_v"}) add(blk + name + ".weight", columns, hidden);
    add(blk + "attn_output.weight", hidden, columns);
    for (const char* name : {"ffn_gate", "ffn_up"}) add(blk + name + ".weight", ffn, hidden);
    add(blk + "ffn_down.weight", hidden, ffn);
  }
  const MemoryFile file(writer.file(32));
  std::filesystem::resize_file(file.path(), writer.header_bytes() + bytes + 64);  // nothing but a hole
  const Checkpoint checkpoint = Runtime().open(file.path());
  const Graph graph = checkpoint.expand({});
  const Error error = error_of([&] { (void)checkpoint.memory(graph, {.parallel = 1024}); });
  CHECK(error.code() == Code::out_of_memory);
  CHECK_THAT(error.message(), Contains("1024 sequences of 16777216 positions is beyond 2^56"));
  CHECK(checkpoint.memory(graph, {.context = 64, .parallel = 1024})[0].kv_full == 33ULL << 33);
}

TEST_CASE("fault 20: a model whose sums could leave 64 bits is refused when it is opened", "[bad-input]") {
  // 4099 blocks of 32 columns, a prime number: cut into no fewer equal leaves.
  for (const std::uint32_t blocks : {4099U, 2U * 4099}) {
    GgufWriter writer = tiny_bpe().bpe();
    writer.string("general.architecture", "llama");
    for (const auto& [key, value] : std::map<std::string, std::uint32_t>{{"block_count", 1},
                                                                         {"embedding_length", 64},
                                                                         {"feed_forward_length", blocks * 32},
                                                                         {"attention.head_count", 2},
                                                                         {"context_length", 64}}) {
      writer.number("llama." + key, ElementType::u32, value);
    }
    write_needed_keys(writer, "llama");
    writer.tensor("token_embd.weight", {64, 272}, 0, 0);
    const MemoryFile file(writer.file(64 * 272 * sizeof(float)));
    const Error error = error_of([&] { (void)Runtime().open(file.path()); });
    CHECK(error.code() == Code::unsupported);
    CHECK_THAT(error.message(), Contains("llama.feed_forward_length is " + std::to_string(blocks * 32)) &&
                                    Contains(std::to_string(blocks)) && Contains("4095"));
  }
}

}  // namespace troupe::testing
