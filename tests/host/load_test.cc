#include "tests/host/house.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

}  // namespace

TEST_CASE("plans that cannot be are refused, with the limit", "[bad-input]") {
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const auto refusal = [&](const std::string& plan) {
    const Error error = error_of([&] { (void)runtime.load(checkpoint, {.plan = plan, .threads = 1}); });
    CHECK(error.code() == Code::invalid_argument);
    CHECK(error_of([&] { (void)checkpoint.expand({.plan = plan}); }).message() == error.message());
    return error.message();
  };
  CHECK_THAT(refusal("pp5"), Contains("layers, which are 4"));
  CHECK_THAT(refusal("tp9"), Contains("leaves, which are 8"));
  CHECK_THAT(refusal("dp2.pp32.tp4"), Contains("the nodes of a graph, which are at most 256"));
  CHECK_THAT(refusal("tp0"), Contains("from 1 to"));
  CHECK_THAT(refusal("tp2:0"), Contains("from 1 to"));
  CHECK_THAT(refusal("."), Contains("no factor"));
  for (const std::string& plan : checkpoint.plans(8)) {
    INFO(plan);
    CHECK_NOTHROW(checkpoint.expand({.plan = plan}));
  }
}

TEST_CASE("options out of bounds are refused, with the bounds", "[bad-input]") {
  const Runtime runtime;
  const auto refusal = [&](const LoadOptions& options) {
    const Error error = error_of([&] { (void)runtime.load(tiny_path(), options); });
    CHECK(error.code() == Code::invalid_argument);
    return error.message();
  };
  CHECK_THAT(refusal({.context = 1'048'577}), Contains("context is 1048577; it must be between 1 and 1048576"));
  CHECK_THAT(refusal({.context = 4'294'967'295}), Contains("between 1 and 1048576"));
  CHECK_THAT(refusal({.parallel = 0}), Contains("parallel is 0; it must be between 1 and 1024"));
  CHECK_THAT(refusal({.parallel = 1025}), Contains("between 1 and 1024"));
  CHECK_THAT(refusal({.chunk = 0}), Contains("chunk is 0; it must be between 1 and 65536"));
  CHECK_THAT(refusal({.chunk = 65537}), Contains("between 1 and 65536"));
  CHECK_THAT(refusal({.threads = 257}), Contains("threads is 257"));
  CHECK_THAT(refusal({.queue = 0}), Contains("queue is 0; it must be between 1 and 1048576"));
  CHECK_THAT(refusal({.queue = 4'000'000'000}), Contains("between 1 and 1048576"));
  CHECK_THAT(refusal({.isa = "sse2"}), Contains("isa") && Contains("reference"));
  const Model least = runtime.load(tiny_path(), {.threads = 1, .context = 1, .chunk = 1, .parallel = 1, .queue = 1});
  CHECK(continued(least, {5}, 1).size() == 1);
}

TEST_CASE("a runtime has a sane number of threads", "[bad-input]") {
  for (const std::uint32_t threads : {0U, 257U, 4'000'000'000U}) {
    const Error error = error_of([&] { (void)Runtime({.control_threads = threads}); });
    CHECK(error.code() == Code::invalid_argument);
    CHECK_THAT(error.message(), Contains("between 1 and 256"));
  }
}

TEST_CASE("what is no model is refused", "[bad-input]") {
  const Runtime runtime;
  CHECK(error_of([&] { (void)runtime.open("/nowhere/at/all.gguf"); }).code() == Code::not_found);
  for (const char* path : {"/", "/dev/null"})
    CHECK(error_of([&] { (void)runtime.open(path); }).code() == Code::bad_file);
  const MemoryFile text("This is no model.");
  CHECK_THAT(error_of([&] { (void)runtime.open(text.path()); }).message(), Contains("known formats are"));
  const std::string whole = TinyModel{}.file();
  for (const std::size_t size : {4, 24, 1000, 10'000}) {
    const MemoryFile cut(whole.substr(0, size));
    CHECK(error_of([&] { (void)runtime.open(cut.path()); }).code() == Code::bad_file);
  }
}

TEST_CASE("every plan that the checkpoint offers speaks alike") {
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Ids expected = continued(runtime.load(checkpoint, {.threads = 1}), {1, 2, 3}, 20);
  for (const std::string& plan : checkpoint.plans(4)) {
    INFO(plan);
    CHECK(continued(runtime.load(checkpoint, {.plan = plan, .threads = 1, .chunk = 2}), {1, 2, 3}, 20) == expected);
  }
}

TEST_CASE("a graph that is edited by hand deploys") {
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const LoadOptions options{.plan = "pp2", .threads = 1};
  std::string toml = to_toml(checkpoint.expand(options));
  const Ids expected = continued(runtime.load(checkpoint, options), {1, 2, 3}, 20);
  Graph graph = parse_graph(toml);
  for (GraphNode& node : graph.nodes) {
    if (node.name == "r0.s0.t0") node.layers = {0, 3};
    if (node.name == "r0.s1.t0") node.layers = {3, 4};
    if (node.name == "r0.s1.t0") node.threads = 2;
  }
  CHECK(continued(runtime.load(checkpoint, parse_graph(to_toml(graph)), options), {1, 2, 3}, 20) == expected);
  graph.nodes[0].layers = {0, 1};
  const Error error = error_of([&] { (void)runtime.load(checkpoint, graph, options); });
  CHECK(error.code() == Code::invalid_argument);
  CHECK_THAT(error.message(), Contains("its layers should begin at 1"));
}

}  // namespace troupe::testing
