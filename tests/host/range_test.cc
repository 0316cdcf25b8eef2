#include <cmath>

#include "tests/host/house.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

constexpr TokenId loud = 65;

/// A model that is well behaved until it reads one token: only that one's embedding has a part along the first
/// dimension, and in layer 2 the feed-forward products of that dimension are beyond what fixed point holds.
std::string with_a_loud_token() {
  TinyModel model;
  model.edit = [](const std::string& name, std::vector<float>& values) {
    const std::size_t columns =
        name.ends_with("ffn_down.weight") ? TinyModel::ffn : TinyModel::heads * TinyModel::head_dim;
    if (name == "token_embd.weight") {
      for (std::size_t row = 0; row < TinyModel::vocabulary; ++row)
        values[row * TinyModel::hidden] = row == loud ? 100.0F : 0.0F;
    }
    if (name.ends_with("attn_output.weight") || name.ends_with("ffn_down.weight")) {
      std::fill_n(values.begin(), columns, 0.0F);  // nothing else is ever added to it
    }
    if (name == "blk.2.ffn_gate.weight" || name == "blk.2.ffn_up.weight") {
      for (std::size_t row = 0; row < TinyModel::ffn; ++row) values[row * TinyModel::hidden] = 2000.0F;
    }
  };
  return model.file();
}

/// Whether the last position's logits come, are numbers, and leave a token to sample.
bool logits_are_numbers(const Model& model, const Ids& ids) {
  bool numbers = false;
  try {
    model.logits(ids, false, [&](std::uint32_t, std::span<const float> logits) {
      numbers = std::none_of(logits.begin(), logits.end(), [](float logit) { return std::isnan(logit); }) &&
                std::any_of(logits.begin(), logits.end(), [](float logit) { return logit > -INFINITY; });
    });
  } catch (const Error& error) {
    CHECK(error.code() == Code::out_of_range);
    return false;
  }
  return numbers;
}

}  // namespace

TEST_CASE("a sum beyond the range of fixed point ends the request that it belongs to, and names the layer",
          "[bad-input]") {
  const MemoryFile file(with_a_loud_token());
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(file.path());
  Ids expected;
  for (const char* plan : {"tp1", "tp2", "pp2", "dp2", "pp2.tp2:1", "sp2", "sp2.tp2", "cp2"}) {
    for (const bool fusion : {true, false}) {
      INFO(plan << ", fusion " << fusion);
      const Model model =
          runtime.load(checkpoint, {.plan = plan, .threads = 2, .chunk = 4, .parallel = 4, .fusion = fusion});
      std::vector<Generation> streams;
      for (int i = 0; i < 6; ++i)
        streams.push_back(model.generate(i % 3 == 1 ? Ids{1, 2, 3, 4, 5, loud, 7} : Ids{1, 2, 3, 4}, tokens(20)));
      for (std::size_t i = 0; i < streams.size(); ++i) {
        const Outcome outcome = read(streams[i]);
        if (i % 3 == 1) {
          REQUIRE(outcome.code() == Code::out_of_range);
          CHECK_THAT(outcome.error->message(), Contains("layer 2") && Contains("524288"));
          CHECK(outcome.ids.empty());
          continue;
        }
        REQUIRE_FALSE(outcome.error);
        if (expected.empty()) expected = outcome.ids;
        CHECK(outcome.ids == expected);
        CHECK(outcome.ids.size() == 20);
      }
      const Error error = error_of([&] { model.logits({1, loud}, true, [](auto, auto) {}); });
      CHECK(error.code() == Code::out_of_range);
      CHECK_NOTHROW(model.logits({1, 2}, true, [](auto, auto) {}));
    }
  }
}

TEST_CASE("fault 25: weights that are no numbers end a request just where its logits are none", "[bad-input]") {
  for (const float weight : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 3e38F}) {
    for (const char* tensor : {"token_embd.weight", "blk.0.attn_norm.weight", "blk.1.attn_k.weight",
                               "blk.1.attn_v.weight", "blk.2.ffn_down.weight", "output_norm.weight", "output.weight"}) {
      INFO(tensor << " " << weight);
      TinyModel tiny;
      if (weight == 3e38F) tiny.store_all_as(kernels::Format::f32);  // Q8_0 has no such number
      tiny.edit = [&](const std::string& name, std::vector<float>& values) {
        if (name == tensor) std::fill(values.begin(), values.end(), weight);
      };
      const MemoryFile file(tiny.file());
      const Runtime runtime;
      const Model model = runtime.load(file.path(), {.plan = "pp2.tp2", .threads = 1});
      GenerateOptions options = tokens(5);
      options.sampling = {.temperature = 1.0F, .top_k = 20, .top_p = 0.9F};
      const Outcome outcome = outcome_of(model.generate(Ids{1, 2, 3}, options));
      if (logits_are_numbers(model, {1, 2, 3})) {
        CHECK_FALSE(outcome.ids.empty());
        if (outcome.error) CHECK_THAT(outcome.error->message(), Contains("no token is left"));  // all -inf later on
        if (!outcome.error) CHECK(outcome.ids.size() == 5);
      } else {
        CHECK(outcome.code() == Code::out_of_range);
        CHECK(outcome.ids.empty());
      }
      for (const TokenId id : outcome.ids) CHECK((id >= 0 && id < static_cast<TokenId>(TinyModel::vocabulary)));
    }
  }
}

}  // namespace troupe::testing
