#include <functional>
#include <thread>

#include "runtime/c/troupe.h"
#include "tests/host/house.hpp"
#include "tests/scarcity/refusal.hpp"

namespace troupe::testing {
namespace {

using CCall = std::function<troupe_status(troupe_error*)>;

/// Refuses each allocation of a call in turn. How many it has.
std::int64_t sweep(const CCall& call) {
  for (std::int64_t n = 1;; ++n) {
    INFO("allocation " << n);
    troupe_error error;
    troupe_error_default(&error, sizeof error);
    troupe_status status = TROUPE_OK;
    Refusal::allocation(n);
    std::thread([&] { status = call(&error); }).join();  // a host's, whose allocations count
    const bool refused = Refusal::end();
    REQUIRE((status == TROUPE_OK || (refused && status == TROUPE_OUT_OF_MEMORY)));
    REQUIRE(error.status == status);
    REQUIRE((error.message[0] == '\0') == (status == TROUPE_OK));
    if (!refused) return n - 1;
  }
}

/// A call that hands out a text, which is freed.
template <class Call>
CCall text_of(const Call& call) {
  return [call](troupe_error* error) {
    char* text = nullptr;
    const troupe_status status = call(&text, error);
    if ((text != nullptr) != (status == TROUPE_OK)) return troupe_status{TROUPE_FAILED};
    troupe_free(text);
    return status;
  };
}

}  // namespace

TEST_CASE("C: whichever allocation of a call fails, it says so and keeps nothing", "[bad-input]") {
  const Refusal::Own own;
  troupe_runtime* runtime = nullptr;
  troupe_checkpoint* checkpoint = nullptr;
  char* graph = nullptr;
  REQUIRE(troupe_runtime_new(nullptr, &runtime, nullptr) == TROUPE_OK);
  REQUIRE(troupe_checkpoint_open(runtime, tiny_path().c_str(), nullptr, &checkpoint, nullptr) == TROUPE_OK);
  REQUIRE(troupe_checkpoint_expand(checkpoint, nullptr, &graph, nullptr) == TROUPE_OK);

  CHECK(sweep([](auto* error) {
          troupe_runtime* none = nullptr;
          const troupe_status status = troupe_runtime_new(nullptr, &none, error);
          troupe_runtime_free(none);
          return status;
        }) > 5);
  CHECK(sweep([&](auto* error) {
          troupe_checkpoint* none = nullptr;
          const auto status = troupe_checkpoint_open(runtime, tiny_path().c_str(), nullptr, &none, error);
          troupe_checkpoint_free(none);
          return status;
        }) > 50);
  CHECK(sweep([&](auto* error) {
          std::int32_t* ids = nullptr;
          std::size_t count = 0;
          const auto status = troupe_checkpoint_tokenize(checkpoint, "hello there", 11, 1, &ids, &count, error);
          troupe_free(ids);
          return status;
        }) > 2);
  CHECK(sweep([&](auto* error) {
          return troupe_checkpoint_metadata(
              checkpoint, [](auto...) {}, nullptr, error);
        }) > 5);
  CHECK(sweep([&](auto* error) {
          return troupe_checkpoint_memory(
              checkpoint, graph, nullptr, [](auto...) {}, nullptr, error);
        }) > 5);
  CHECK(sweep(text_of([&](char** text, auto* error) {
          return troupe_checkpoint_program(checkpoint, graph, "r0.s0.t0", nullptr, text, error);
        })) > 20);
  CHECK(sweep(text_of([&](char** text, auto* error) {
          return troupe_checkpoint_expand(checkpoint, nullptr, text, error);
        })) > 10);
  CHECK(sweep(text_of([&](char** text, auto* error) { return troupe_graph_dot(graph, text, error); })) > 20);
  troupe_free(graph);
  troupe_checkpoint_free(checkpoint);
  troupe_runtime_free(runtime);
}

}  // namespace troupe::testing
