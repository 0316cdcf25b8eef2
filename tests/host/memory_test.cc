#include "tests/host/house.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

std::uint64_t promised(const Checkpoint& checkpoint, const Graph& graph, const LoadOptions& options) {
  std::uint64_t sum = 0;
  for (const ActorMemory& actor : checkpoint.memory(graph, options)) sum += actor.total();
  return sum;
}

}  // namespace

TEST_CASE("fault 25: a model may promise as many bytes as memory_limit says, and not one more", "[bad-input]") {
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  for (const char* plan : {"tp1", "tp2", "pp2", "dp2.pp2", "sp2", "cp2"}) {
    INFO(plan);
    LoadOptions options{.plan = plan, .threads = 1, .parallel = 3};
    const Graph graph = checkpoint.expand(options);
    const std::uint64_t needed = promised(checkpoint, graph, options);
    for (const std::uint64_t limit : {std::uint64_t{1}, needed / 2, needed - 1}) {
      options.memory_limit = limit;
      for (const auto& load : {std::function([&] { (void)runtime.load(checkpoint, options); }),
                               std::function([&] { (void)runtime.load(checkpoint, graph, options); }),
                               std::function([&] { (void)runtime.load(tiny_path(), options); })}) {
        const Error refused = error_of(load);
        CHECK(refused.code() == Code::out_of_memory);
        CHECK_THAT(refused.message(), Contains(std::to_string(needed)) && Contains(std::to_string(limit)));
      }
    }
    for (const std::uint64_t limit : {needed, needed + 1, UINT64_MAX, std::uint64_t{0}}) {
      options.memory_limit = limit;
      CHECK(continued(runtime.load(checkpoint, graph, options), {1, 2}, 2).size() == 2);
    }
  }
}

TEST_CASE("fault 25: what memory_limit counts follows what is loaded", "[bad-input]") {
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  LoadOptions options{.threads = 1, .context = 64, .parallel = 1};
  options.memory_limit = promised(checkpoint, checkpoint.expand(options), options);
  CHECK_NOTHROW(runtime.load(checkpoint, options));
  LoadOptions longer = options, more = options, twice = options;
  longer.context = 256;
  more.parallel = 4;
  twice.plan = "dp2";
  for (const LoadOptions& larger : {longer, more, twice})
    CHECK(error_of([&] { (void)runtime.load(checkpoint, larger); }).code() == Code::out_of_memory);
}

}  // namespace troupe::testing
