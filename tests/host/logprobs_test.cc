#include <cmath>

#include "tests/host/house.hpp"

namespace troupe::testing {
namespace {

std::vector<Token> tokens_of(const Model& model, const Ids& prompt, const GenerateOptions& options) {
  std::vector<Token> all;
  for (const Token& token : model.generate(prompt, options)) all.push_back(token);
  return all;
}

/// What the definition says of a position's logits.
double logprob_of(std::span<const float> logits, TokenId id) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit} - largest);
  return logits[static_cast<std::size_t>(id)] - largest - std::log(sum);
}

/// `vocabulary`: the tokens, of which the model may have more rows.
void check(const std::string& path, const std::vector<const char*>& plans, std::uint32_t count,
           std::size_t vocabulary) {
  const Runtime runtime;
  const Ids prompt{104, 101, 108, 108, 111};
  GenerateOptions options = tokens(count);
  options.logprobs = 5;
  options.sampling = {.temperature = 1.5F, .top_k = 30, .seed = 11};
  std::vector<Token> expected;
  for (const char* plan : plans) {
    INFO(plan);
    const Model model = runtime.load(path, {.plan = plan, .threads = 1, .context = 256, .chunk = 4, .parallel = 3});
    Generation mate = model.generate(Ids{1, 2, 3, 4, 5, 6, 7, 8, 9}, tokens(count));
    const std::vector<Token> all = tokens_of(model, prompt, options);
    REQUIRE(all.size() == count);
    if (expected.empty()) {
      expected = all;
      Ids ids = prompt;
      for (const Token& token : all) ids.push_back(token.id);
      model.logits(ids, true, [&](std::uint32_t position, std::span<const float> logits) {
        logits = logits.first(vocabulary);
        if (position + 1 < prompt.size() || position + 1 >= ids.size()) return;
        const Token& token = all[position + 1 - prompt.size()];
        REQUIRE(token.logprobs.size() == 6);
        CHECK(token.logprobs[0].id == token.id);
        for (const TokenLogprob& each : token.logprobs) {
          CHECK(each.logprob == Approx(logprob_of(logits, each.id)).margin(1e-4));
        }
        const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
        CHECK(token.logprobs[1].id == static_cast<TokenId>(best));
        for (std::size_t i = 2; i < 6; ++i) CHECK(token.logprobs[i - 1].logprob >= token.logprobs[i].logprob);
      });
    }
    for (std::size_t i = 0; i < count; ++i) {
      REQUIRE(all[i].id == expected[i].id);
      REQUIRE(all[i].logprobs.size() == expected[i].logprobs.size());
      for (std::size_t k = 0; k < all[i].logprobs.size(); ++k) {
        CHECK(all[i].logprobs[k].id == expected[i].logprobs[k].id);
        CHECK(all[i].logprobs[k].logprob == expected[i].logprobs[k].logprob);  // bit for bit
      }
    }
  }
}

}  // namespace

TEST_CASE("logprobs are the same bits under all plans, and what the logits say") {
  check(tiny_path(), {"tp1", "tp2", "tp2:1", "pp2", "pp3", "dp2", "pp2.tp2", "dp2.pp2.tp2"}, 20, TinyModel::tokens);
}

TEST_CASE("logprobs of the real model") {
  if (const auto path = smollm2_path()) check(*path, {"tp1", "pp2.tp2"}, 6, 49152);
}

TEST_CASE("logprobs are given where they are asked for") {
  const Runtime runtime;
  const Model model = runtime.load(tiny_path(), {.threads = 1});
  GenerateOptions options = tokens(4);
  for (const Token& token : tokens_of(model, {1}, options)) CHECK(token.logprobs.empty());
  options.logprobs = 0;
  for (const Token& token : tokens_of(model, {1}, options)) {
    REQUIRE(token.logprobs.size() == 1);
    CHECK(token.logprobs[0].id == token.id);
  }
  options.logprobs = 20;
  for (const Token& token : tokens_of(model, {1}, options)) CHECK(token.logprobs.size() == 21);
}

}  // namespace troupe::testing
