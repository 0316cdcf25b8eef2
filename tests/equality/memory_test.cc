#include <catch2/catch.hpp>
#include <cstring>

#include "tests/equality/one_sequence.hpp"
#include "tests/equality/subject.hpp"
#include "tests/model_at_hand.hpp"

// Whose KV blocks a sequence reads, and how often it has to compute them, does not show in logits or texts.

namespace troupe::testing {
namespace {

using Text = std::vector<TokenId>;
using Logits = std::vector<float>;

const std::uint32_t tokens = sanitized() ? 4 : 16;
constexpr std::uint32_t context = 1024;

/// Past Gemma3's window of 512 and around a block's edge; a quarter of that where a sanitizer slows everything down.
std::vector<std::size_t> shared_lengths() {
  if (sanitized()) return {160, 64, 63};
  return {640, 577, 576, 575, 65, 64, 63};
}

Text read(Generation stream) {
  Text text;
  for (const Token& token : stream) {
    if (token.id != no_token) text.push_back(token.id);
  }
  return text;
}

/// Prompts that begin alike, and end each in their own way.
std::vector<Text> prompts_of(const Checkpoint& checkpoint) {
  const Text text = checkpoint.prompt(some_text(800));
  std::vector<Text> prompts;
  for (const std::size_t shared : shared_lengths()) {
    prompts.emplace_back(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(shared));
    const std::size_t own = 1 + prompts.size() * 7 % 40;
    prompts.back().insert(prompts.back().end(), text.end() - static_cast<std::ptrdiff_t>(own), text.end());
  }
  return prompts;
}

GenerateOptions sampled(std::size_t i) {
  GenerateOptions options;
  options.max_tokens = tokens + static_cast<std::uint32_t>(i);
  options.ignore_end = true;
  options.sampling = {.temperature = 0.8F, .top_k = 40, .top_p = 0.9F, .seed = 11};
  options.sampling.mirostat = i % 2 == 1;
  options.sampling.dry_multiplier = i % 3 == 1 ? 1.0F : 0.0F;
  options.priority = static_cast<std::int32_t>(i % 2);
  return options;
}

/// All at once, so that they wait for each other's blocks.
std::vector<Text> texts_of(const Model& model, const std::vector<Text>& prompts) {
  std::vector<Generation> streams;
  std::vector<Text> texts;
  for (std::size_t i = 0; i < prompts.size(); ++i) streams.push_back(model.generate(prompts[i], sampled(i)));
  for (Generation& stream : streams) texts.push_back(read(std::move(stream)));
  return texts;
}

/// One by one, so that each finds blocks of those before.
std::vector<Logits> last_logits(const Model& model, const std::vector<Text>& prompts) {
  std::vector<Logits> all;
  for (const Text& prompt : prompts) {
    model.logits(prompt, false,
                 [&](std::uint32_t, std::span<const float> logits) { all.emplace_back(logits.begin(), logits.end()); });
  }
  return all;
}

bool same_bits(const std::vector<Logits>& a, const std::vector<Logits>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Logits& x, const Logits& y) {
    return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0;
  });
}

void compare(const char* file) {
  const auto path = model_at_hand(file);
  if (!path) return;
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(*path);
  const std::vector<Text> prompts = prompts_of(checkpoint);
  const Model alone = runtime.load(checkpoint, {.context = context, .parallel = 1, .prefix_cache = false});
  const std::vector<Text> expected = texts_of(alone, prompts);
  const std::vector<Logits> logits = last_logits(alone, prompts);
  for (const char* plan : {"tp1", "pp2", "tp2:1", "sp2", "dp2.pp2.tp2"}) {
    for (const std::uint32_t chunk : {512U, 90U}) {
      INFO(plan << ", chunk " << chunk);
      LoadOptions options{.plan = plan, .threads = 1, .context = context, .chunk = chunk, .parallel = 6};
      options.kv_memory = one_sequence(checkpoint, checkpoint.expand(options), options);
      const Model model = runtime.load(checkpoint, options);
      CHECK(texts_of(model, prompts) == expected);
      CHECK(same_bits(last_logits(model, prompts), logits));
    }
  }
}

TEST_CASE("memory: SmolLM2 says the same from shared blocks and from blocks given back", "[equality]") {
  compare(smollm2);
}
TEST_CASE("memory: Gemma3 says the same from shared blocks and from blocks given back", "[equality]") {
  compare(gemma3);
}

}  // namespace
}  // namespace troupe::testing
