// Any bytes as a plan: parsed, written, parsed again, and expanded for a model.
#include "runtime/plan/plan.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace troupe::testing {
namespace {

void parse(std::string_view text) {
  const auto plan = parse_plan(text);
  if (!plan) return check_error(plan.error());
  check(plan->ranks() >= 1 && plan->nodes() <= most_nodes);
  const std::string written = to_string(*plan);
  check(to_string(parse_plan(written).value()) == written);
  ModelDescription model;
  model.layers.assign(6, {8, 8, 32, 256});
  model.hidden = 64;
  model.vocabulary = 272;
  const auto graph = expand(*plan, model, {}, 1);
  if (!graph) check_error(graph.error());
}

}  // namespace
}  // namespace troupe::testing

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  static const std::string whole[] = {"dp2.pp2.tp2", "tp2:1", "pp20:10", "dp8", "pp1:1:2.tp2"};
  return troupe::testing::mutate(whole, data, size, most, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  troupe::testing::parse(troupe::testing::text_of(data, size));
  return 0;
}
