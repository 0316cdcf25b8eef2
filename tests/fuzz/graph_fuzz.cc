// Any bytes as a graph file: parsed, written, parsed again, drawn, and checked against a model.
#include "runtime/plan/check.hpp"
#include "runtime/plan/plan.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace troupe::testing {
namespace {

const ModelDescription& model() {
  static const ModelDescription description = [] {
    ModelDescription made;
    made.layers.assign(4, {8, 8, 32, 256});
    made.hidden = 64;
    made.vocabulary = 272;
    made.context = 256;
    return made;
  }();
  return description;
}

std::string toml_of(const char* plan) { return to_toml(expand(*parse_plan(plan), model(), {}, 1).value()); }

NodeKinds kinds_with_tap() {
  NodeKinds kinds;
  kinds.add_host_actor("tap");
  return kinds;
}

void parse(const std::string& text) {
  try {
    const Graph graph = parse_graph(text);
    const std::string toml = to_toml(graph);
    check(to_toml(parse_graph(toml)) == toml);
    (void)to_dot(graph);
    const auto checked =
        check_graph(graph, model(), kinds_with_tap(), {[](const std::string& name) { return name == "cpu"; }, "cpu"},
                    {[](const std::string& name) { return name == "memory"; }, "memory"});
    if (!checked) check_error(checked.error());
  } catch (const Error& error) {
    check_error(error);
  }
}

}  // namespace
}  // namespace troupe::testing

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  using namespace troupe::testing;
  static const std::string whole[] = {toml_of("tp1"), toml_of("tp2"), toml_of("pp2"), toml_of("dp2.pp2.tp2:1")};
  return mutate(whole, data, size, most, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  troupe::testing::parse(std::string(troupe::testing::text_of(data, size)));
  return 0;
}
