// A model whose layers are unlike in heads, KV heads and width, and a file's tensors of three dimensions.
#include <catch2/catch.hpp>
#include <cstring>

#include "tests/host/house.hpp"
#include "tests/host/tiny_model.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

TEST_CASE("layers of unlike geometry: every plan gives the same bits, fused or not") {
  TinyModel tiny;
  tiny.unlike = {{8, 2, 256}, {12, 4, 416}, {16, 16, 288}, {10, 5, 1024}};
  const MemoryFile file(tiny.file());
  const Checkpoint checkpoint = Runtime().open(file.path());
  const std::vector<float> expected =
      logits_of_two_blocks(Runtime().load(checkpoint, {.threads = 1, .isa = "reference"}));
  REQUIRE(expected.size() > 64 * 272);
  for (const std::string& plan : checkpoint.plans(4)) {
    for (const bool fusion : {true, false}) {
      INFO(plan << (fusion ? ", fused" : ", plain"));
      const auto got =
          logits_of_two_blocks(Runtime().load(checkpoint, {.plan = plan, .threads = 1, .chunk = 40, .fusion = fusion}));
      REQUIRE(got.size() == expected.size());
      CHECK(std::memcmp(got.data(), expected.data(), expected.size() * sizeof(float)) == 0);
    }
  }
  CHECK(checkpoint.plans(8).size() == Runtime().open(MemoryFile(TinyModel{}.file()).path()).plans(8).size());
}

TEST_CASE("layers of unlike geometry: what they cannot be is said", "[bad-input]") {
  const auto refusal = [](std::vector<TinyModel::Layer> layers) {
    TinyModel tiny;
    tiny.unlike = std::move(layers);
    const MemoryFile file(tiny.file());
    return error_of([&] { (void)Runtime().open(file.path()); }).message();
  };
  const TinyModel::Layer usual{8, 2, 256};
  CHECK_THAT(refusal({usual, usual, {8, 3, 256}, usual}),
             Contains("attention.head_count is 8; it must be a multiple of 3"));
  CHECK_THAT(refusal({usual, usual, {2, 8, 256}, usual}), Contains("head_count_kv is 8; it must be between 1 and 2"));
  CHECK_THAT(refusal({usual, {8, 2, 250}, usual, usual}),
             Contains("feed_forward_length is 250; it must be a multiple of 32"));
}

}  // namespace
}  // namespace troupe::testing
