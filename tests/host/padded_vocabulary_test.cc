#include "tests/host/house.hpp"

namespace troupe::testing {

TEST_CASE("rows of the vocabulary that have no token are never sampled, and count in no probability") {
  TinyModel tiny{.layers = 1};
  tiny.edit = [](const std::string& name, std::vector<float>& values) {
    if (name != "output.weight") return;
    constexpr std::size_t after = TinyModel::tokens * TinyModel::hidden;
    // A row and its negative: one of them beats every token.
    for (std::size_t i = 0; i < TinyModel::hidden; ++i) {
      values[after + i] = 100.0F;
      values[after + TinyModel::hidden + i] = -100.0F;
    }
  };
  const MemoryFile file(tiny.file());
  const Model model = Runtime().load(file.path(), {.threads = 1});
  std::size_t best = 0;
  model.logits(Ids{1, 2, 3}, false, [&](std::uint32_t, std::span<const float> logits) {
    best = static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  });
  REQUIRE(best >= TinyModel::tokens);
  for (const float temperature : {0.0F, 2.0F}) {
    GenerateOptions options = tokens(20);
    options.sampling = {.temperature = temperature, .seed = 3};
    options.logprobs = 5;
    for (const Token& token : model.generate(Ids{1, 2, 3}, options)) {
      CHECK((token.id >= 0 && token.id < static_cast<TokenId>(TinyModel::tokens)));
      for (const TokenLogprob& each : token.logprobs)
        CHECK((each.id < static_cast<TokenId>(TinyModel::tokens) && each.logprob > -20));
    }
  }
}

}  // namespace troupe::testing
