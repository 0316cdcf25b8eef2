#include <cstring>

#include "tests/host/house.hpp"

// Prefixes that are shared, and blocks that are given back, do not show in what a model says.

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

/// The tiny llama, and a tiny gemma3 of which every other layer sees 70 positions.
const std::string& model_path_of(bool windows) {
  static const MemoryFile file([] {
    TinyModel model{.architecture = "gemma3"};
    model.keys = [](GgufWriter& writer) {
      writer.number("gemma3.attention.sliding_window", ElementType::u32, 70);
      writer.number("gemma3.attention.sliding_window_pattern", ElementType::u32, 2);
    };
    return model.file();
  }());
  static const std::string path = file.path();
  return windows ? path : tiny_path();
}

Ids text(std::size_t size, TokenId from) {
  Ids ids(size);
  for (std::size_t i = 0; i < size; ++i) ids[i] = from + static_cast<TokenId>(i * i % 199);
  return ids;
}

/// A beginning that all share, and an end of one's own.
Ids prompt_of(std::size_t shared, std::size_t own, TokenId from) {
  Ids ids = text(shared, 1);
  const Ids end = text(own, from);
  ids.insert(ids.end(), end.begin(), end.end());
  return ids;
}

std::vector<float> last_logits(const Model& model, const Ids& ids) {
  std::vector<float> last;
  model.logits(ids, false,
               [&](std::uint32_t, std::span<const float> logits) { last.assign(logits.begin(), logits.end()); });
  return last;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

GenerateOptions sampled(std::uint32_t count) {
  GenerateOptions options = tokens(count);
  options.sampling = {.temperature = 1.0F, .top_k = 40, .top_p = 0.9F, .seed = 3};
  return options;
}

/// Bytes of the KV of one sequence at full context.
std::uint64_t one_sequence(const Checkpoint& checkpoint, LoadOptions options) {
  options.parallel = 1;
  std::uint64_t bytes = 0;
  for (const ActorMemory& actor : checkpoint.memory(checkpoint.expand(options), options)) bytes += actor.kv_full;
  return bytes;
}

const char* const plans[] = {"tp1", "tp2", "pp2", "dp2", "pp2.tp2"};

}  // namespace

TEST_CASE("a shared prefix of any length leaves logits and texts as they are") {
  const Runtime runtime;
  for (const bool windows : {false, true}) {
    const Checkpoint checkpoint = runtime.open(model_path_of(windows));
    const Model alone = runtime.load(checkpoint, {.threads = 1, .prefix_cache = false});
    for (const char* plan : plans) {
      for (const std::uint32_t chunk : {512U, 30U}) {
        INFO(plan << ", chunk " << chunk << (windows ? ", windows" : ""));
        const Model model = runtime.load(checkpoint, {.plan = plan, .threads = 1, .chunk = chunk, .parallel = 4});
        for (const std::size_t shared : {1, 63, 64, 65, 127, 128, 129, 191, 192, 193}) {
          for (const std::size_t own : {1, 30}) {
            INFO(shared << " shared tokens and " << own);
            const Ids prompt = prompt_of(shared, own, static_cast<TokenId>(shared % 50));
            REQUIRE(same_bits(last_logits(model, prompt), last_logits(alone, prompt)));
            REQUIRE(outcome_of(model.generate(prompt, sampled(5))).ids ==
                    outcome_of(alone.generate(prompt, sampled(5))).ids);
          }
        }
      }
    }
  }
}

TEST_CASE("texts are as alone where requests wait for memory and give it back") {
  const Runtime runtime;
  for (const bool windows : {false, true}) {
    const Checkpoint checkpoint = runtime.open(model_path_of(windows));
    const Model alone = runtime.load(checkpoint, {.threads = 1, .parallel = 1, .prefix_cache = false});
    std::vector<Ids> prompts;
    std::vector<Outcome> expected;
    for (std::size_t i = 0; i < 12; ++i) {
      prompts.push_back(prompt_of(i % 3 * 50, 1 + i * 11 % 90, static_cast<TokenId>(i)));
      expected.push_back(outcome_of(alone.generate(prompts.back(), sampled(static_cast<std::uint32_t>(30 + i * 7)))));
    }
    for (const char* plan : plans) {
      for (const bool prefix_cache : {true, false}) {
        for (const std::uint32_t chunk : {512U, 33U}) {
          INFO(plan << ", chunk " << chunk << (windows ? ", windows" : "") << (prefix_cache ? ", prefix cache" : ""));
          LoadOptions options{.plan = plan, .threads = 1, .chunk = chunk, .parallel = 6};
          options.prefix_cache = prefix_cache;
          options.kv_memory = one_sequence(checkpoint, options);
          const Model model = runtime.load(checkpoint, options);
          std::vector<Generation> streams;
          for (std::size_t i = 0; i < prompts.size(); ++i) {
            GenerateOptions request = sampled(static_cast<std::uint32_t>(30 + i * 7));
            request.priority = static_cast<std::int32_t>(i % 3);
            streams.push_back(model.generate(prompts[i], request));
          }
          // Every position's logits, once each, beside them.
          std::vector<std::uint32_t> positions;
          model.logits(prompts[7], true, [&](std::uint32_t position, auto) { positions.push_back(position); });
          REQUIRE(positions.size() == prompts[7].size());
          for (std::uint32_t p = 0; p < positions.size(); ++p) REQUIRE(positions[p] == p);
          for (std::size_t i = 0; i < streams.size(); ++i) {
            const Outcome outcome = read(streams[i]);
            INFO("request " << i << (outcome.error ? outcome.error->message() : ""));
            REQUIRE_FALSE(outcome.error);
            REQUIRE(outcome.ids == expected[i].ids);
          }
        }
      }
    }
  }
}

TEST_CASE("a bound too small for one sequence is refused, with what would fit", "[bad-input]") {
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  LoadOptions options{.threads = 1};
  const std::uint64_t needed = one_sequence(checkpoint, options);
  options.kv_memory = needed - 1;
  for (const auto& load : {std::function([&] { (void)runtime.load(checkpoint, options); }),
                           std::function([&] { (void)checkpoint.memory(checkpoint.expand(options), options); })}) {
    const Error refused = error_of(load);
    CHECK(refused.code() == Code::invalid_argument);
    CHECK_THAT(refused.message(), Contains("one sequence of 256 positions needs " + std::to_string(needed)) &&
                                      Contains("a context of 192 would fit"));
  }
  options.context = 192;
  CHECK_NOTHROW(runtime.load(checkpoint, options));
}

TEST_CASE("what memory promises of the KV cache is no more than its bound") {
  const Runtime runtime;
  for (const bool windows : {false, true}) {
    const Checkpoint checkpoint = runtime.open(model_path_of(windows));
    for (const char* plan : plans) {
      LoadOptions options{.plan = plan, .threads = 1};
      const Graph graph = checkpoint.expand(options);
      const auto promised = [&] {
        std::map<char, std::uint64_t> replicas;  // "r0..."
        for (const ActorMemory& actor : checkpoint.memory(graph, options)) replicas[actor.actor[1]] += actor.kv_full;
        return std::max(replicas['0'], replicas['1']);
      };
      const std::uint64_t whole = promised(), one = one_sequence(checkpoint, {.plan = plan, .threads = 1});
      for (const std::uint64_t bound : {one, 2 * one, whole / 2, whole - 1, whole, 3 * whole}) {
        options.kv_memory = bound;
        INFO(plan << ", " << bound << " of " << whole);
        CHECK(promised() <= bound);
        CHECK(promised() <= whole);
        if (!windows) CHECK(promised() > std::min(bound, whole) - whole / 64);
      }
    }
  }
}

}  // namespace troupe::testing
