#include <catch2/catch.hpp>

#include "tests/equality/subject.hpp"
#include "tests/model_at_hand.hpp"

// What is said follows from the logits, the seed and the position alone, so plan and company do not show in a text
// either.

namespace troupe::testing {
namespace {

using Text = std::vector<TokenId>;

/// A quarter of them where a sanitizer slows everything down.
const std::uint32_t tokens = sanitized() ? 6 : 24;

const GenerateOptions greedy{.max_tokens = tokens, .sampling = {}, .ignore_end = true, .deadline = {}};
const GenerateOptions sampled{.max_tokens = tokens,
                              .sampling = {.temperature = 0.8F,
                                           .top_k = 40,
                                           .top_p = 0.9F,
                                           .seed = 11,
                                           .min_p = 0.01F,
                                           .xtc_probability = 0.5F,
                                           .repeat_penalty = 1.1F,
                                           .frequency_penalty = 0.1F,
                                           .dry_multiplier = 0.8F,
                                           .mirostat = true},
                              .ignore_end = true,
                              .deadline = {}};

Text read(Generation stream) {
  Text text;
  for (const Token& token : stream) {
    if (token.id != no_token) text.push_back(token.id);
  }
  return text;
}

/// Prompts of unequal lengths, each said on greedily and sampled: one after the other, or all at once.
std::vector<Text> texts_of(const Model& model, std::span<const TokenId> text, bool together) {
  std::vector<Generation> streams;
  std::vector<Text> texts;
  for (const std::size_t length : {5, 1, 64, 150}) {
    for (const GenerateOptions& options : {greedy, sampled}) {
      streams.push_back(model.generate({text.end() - static_cast<std::ptrdiff_t>(length), text.end()}, options));
      if (!together) {
        texts.push_back(read(std::move(streams.back())));
        streams.pop_back();
      }
    }
  }
  for (Generation& stream : streams) texts.push_back(read(std::move(stream)));
  return texts;
}

void compare(const char* file) {
  const auto path = model_at_hand(file);
  if (!path) return;
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(*path);
  const std::vector<TokenId> text = checkpoint.prompt(some_text(150));
  const auto said = [&](const char* plan, std::uint32_t chunk, std::uint32_t parallel, bool together) {
    const LoadOptions options{.plan = plan, .threads = 1, .context = 1024, .chunk = chunk, .parallel = parallel};
    return texts_of(runtime.load(checkpoint, options), text, together);
  };
  const std::vector<Text> expected = said("tp1", 512, 1, false);
  for (const Text& one : expected) CHECK(one.size() == tokens);
  CHECK(expected[0] != expected[1]);  // the sampled one is not the greedy one
  for (const char* plan : {"tp1", "tp2:1", "dp2.pp2.tp2"}) {
    INFO(plan);
    CHECK(said(plan, 512, 8, true) == expected);  // all at once
  }
  for (const char* plan : {"pp2", "dp2", "dp2.pp2.tp2"}) {
    INFO(plan);
    CHECK(said(plan, 48, 3, true) == expected);  // some wait, some are still in their prompt
  }
}

TEST_CASE("texts: SmolLM2 says the same under every plan and in any company", "[equality]") { compare(smollm2); }
TEST_CASE("texts: Gemma3 says the same under every plan and in any company", "[equality]") { compare(gemma3); }

}  // namespace
}  // namespace troupe::testing
