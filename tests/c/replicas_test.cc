#include "tests/c/requests.hpp"

namespace troupe::testing {

TEST_CASE("C: replicas come and go while the model runs") {
  const HeldRuntime runtime = new_runtime();
  const HeldModel model = loaded(runtime);
  const Ids expected = read(started(model, hello, tokens(10))).ids;
  std::uint32_t numbers[2] = {};
  succeeds([&](auto* error) { return troupe_model_replicate(model, 2, numbers, error); });
  CHECK(replicas(model).size() == 3);
  CHECK(read(started(model, hello, tokens(10))).ids == expected);
  succeeds([&](auto* error) { return troupe_model_drain(model, numbers[0], error); });
  succeeds([&](auto* error) { return troupe_model_drain(model, numbers[1], error); });
  fails(TROUPE_NOT_FOUND, "", [&](auto* error) { return troupe_model_drain(model, numbers[1], error); });
  fails(TROUPE_INVALID_ARGUMENT, "", [&](auto* error) { return troupe_model_drain(model, 0, error); });
  CHECK(read(started(model, hello, tokens(10))).ids == expected);
  const HeldCheckpoint checkpoint = opened(runtime);
  const std::string graph = expanded(checkpoint, "dp2.pp2");
  succeeds([&](auto* error) { return troupe_model_replace(model, graph.c_str(), error); });
  CHECK(replicas(model).size() == 2);
  CHECK(read(started(model, hello, tokens(10))).ids == expected);
  fails(TROUPE_INVALID_ARGUMENT, "", [&](auto* error) { return troupe_model_replace(model, "a lamp", error); });
  needs("graph", [&](auto* error) { return troupe_model_replace(model, nullptr, error); });
  needs("model", [&](auto* error) { return troupe_model_replace(nullptr, "", error); });
  needs("model", [&](auto* error) { return troupe_model_replicate(nullptr, 1, nullptr, error); });
  needs("model", [&](auto* error) { return troupe_model_drain(nullptr, 0, error); });
}

}  // namespace troupe::testing
