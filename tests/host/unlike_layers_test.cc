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
}

/// What one model of these sizes, in BF16, is refused with; empty where it is not.
std::string refusal_of(const TinyModel::Sizes& sizes) {
  TinyModel tiny{.layers = 2, .sizes = sizes};
  tiny.store_all_as(kernels::Format::bf16);
  const MemoryFile file(tiny.file());
  try {
    (void)Runtime().load(file.path(), {.threads = 1});
  } catch (const Error& error) {
    CHECK(error.message().find('\n') == std::string::npos);
    return error.message();
  }
  return {};
}

TEST_CASE("widths: float weights may have any, and a head any multiple of 16", "[bad-input]") {
  CHECK(refusal_of({.hidden = 1, .ffn = 1}).empty());
  CHECK(refusal_of({.hidden = 99, .heads = 3, .kv_heads = 1, .head_dim = 16, .ffn = 4095}).empty());
  CHECK_THAT(refusal_of({.ffn = 4099}), Contains("feed_forward_length is 4099; its 4099 parts cannot be cut"));
  CHECK_THAT(refusal_of({.head_dim = 40}), Contains("key_length is 40; it must be a multiple of 16"));
  CHECK_THAT(refusal_of({.heads = 2, .head_dim = 528}), Contains("key_length is 528; it must be between 1 and 512"));
}

TEST_CASE("a context of a few positions") {
  TinyModel tiny{.context = 8};
  const MemoryFile file(tiny.file());
  const Model model = Runtime().load(file.path(), {.threads = 1});
  std::size_t seen = 0;
  model.logits({1, 2, 3, 4, 5, 6, 7, 8}, true, [&](std::uint32_t, std::span<const float>) { ++seen; });
  CHECK(seen == 8);
  CHECK(error_of([&] {
          model.logits({1, 2, 3, 4, 5, 6, 7, 8, 9}, true, [](auto, auto) {});
        }).code() == Code::invalid_argument);
}

}  // namespace
}  // namespace troupe::testing
