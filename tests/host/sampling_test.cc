#include "runtime/text/sampling.hpp"

#include <limits>

#include "actors/host/checkpoint.hpp"
#include "tests/host/house.hpp"

// What samplers look back at is the text, whatever a request goes through.

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

constexpr float infinity = std::numeric_limits<float>::infinity();

/// Each sampler is in one of them, and all that look back, with windows that prompts reach into.
std::vector<GenerateOptions> requests() {
  std::vector<GenerateOptions> all(4, tokens(60));
  all[0].sampling = {.repeat_penalty = 1.4F, .presence_penalty = 0.3F, .frequency_penalty = 0.2F};
  all[1].sampling = {.temperature = 1.2F, .seed = 5, .min_p = 0.02F, .typical_p = 0.95F, .top_n_sigma = 2.5F};
  all[1].sampling.xtc_probability = 0.5F;
  all[1].sampling.xtc_threshold = 0.02F;
  all[1].sampling.logit_bias = {{7, 3.0F}, {8, -infinity}};
  all[2].sampling = {.temperature = 1.0F, .seed = 6, .frequency_penalty = 0.1F, .dry_multiplier = 5.0F};
  all[2].sampling.penalty_last_n = -1;
  all[2].sampling.dry_allowed_length = 1;
  all[2].sampling.dry_breakers = {"\n", "ab"};
  all[2].sampling.mirostat = true;
  all[2].sampling.mirostat_tau = 3.0F;
  all[3].sampling = {.temperature = 1.0F, .seed = 7, .mirostat = true, .mirostat_tau = 2.0F};
  all[3].min_tokens = 50;
  all[3].ignore_end = false;
  return all;
}

Ids prompt_of(std::size_t size) {
  Ids ids(size);
  for (std::size_t i = 0; i < size; ++i) ids[i] = static_cast<TokenId>(i * i % 23 + i % 5);
  return ids;
}

Outcome whole(const Model& model, const Ids& prompt, const GenerateOptions& options) {
  const Outcome outcome = outcome_of(model.generate(prompt, options));
  INFO((outcome.error ? outcome.error->message() : ""));
  REQUIRE_FALSE(outcome.error);
  return outcome;
}

/// A text token by token: of the model's logits, and of a state that is made anew for each.
Ids by_hand(const Model& model, Ids ids, const GenerateOptions& options, std::uint32_t count) {
  const std::size_t prompt = ids.size();
  DryBreakerLists breakers;
  const SamplingTerms terms =
      sampling_terms(options.sampling, options.min_tokens, prompt, *model.checkpoint().impl()->tokenizer, breakers);
  SamplingRoom room(TinyModel::tokens, 256);
  SamplingState state;
  state.reserve(256);
  float bound = 2 * options.sampling.mirostat_tau;
  for (std::uint32_t i = 0; i < count; ++i) {
    std::vector<float> row;
    model.logits(ids, false, [&](std::uint32_t, std::span<const float> logits) {
      row.assign(logits.begin(), logits.begin() + TinyModel::tokens);
    });
    const auto position = static_cast<std::uint32_t>(ids.size() - 1);
    state.begin(terms, ids, bound);
    const auto changed = adjusted(row, terms, state, position, room);
    ids.push_back(sample(changed, terms, position, bound, *kernels::find_table(), room));
  }
  return {ids.begin() + static_cast<std::ptrdiff_t>(prompt), ids.end()};
}

}  // namespace

TEST_CASE("samplers look back at the prompt and at what has been said, and at nothing else") {
  const Runtime runtime;
  for (const std::uint32_t chunk : {512U, 30U}) {
    const Model model = runtime.load(tiny_path(), {.threads = 1, .chunk = chunk, .parallel = 4});
    for (const GenerateOptions& options : requests()) {
      for (const std::size_t size : {1U, 70U, 150U}) {
        const Outcome got = whole(model, prompt_of(size), options);
        const auto count = static_cast<std::uint32_t>(got.ids.size());
        REQUIRE(count >= 50);
        REQUIRE(got.ids == by_hand(model, prompt_of(size), options, count));
      }
    }
  }
}

TEST_CASE("samplers give the same text under every plan, among any mates, and where memory is short") {
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Model alone = runtime.load(checkpoint, {.threads = 1, .parallel = 1, .prefix_cache = false});
  std::vector<Outcome> expected;
  for (const GenerateOptions& options : requests()) {
    for (const std::size_t size : {3U, 65U, 140U}) expected.push_back(whole(alone, prompt_of(size), options));
  }
  for (const char* plan : {"tp1", "tp2", "dp2", "pp2", "pp2.tp2"}) {
    for (const bool little : {false, true}) {
      LoadOptions options{.plan = plan, .threads = 1, .chunk = 33, .parallel = 6};
      if (little) {  // room for one sequence
        options.parallel = 1;
        for (const ActorMemory& actor : checkpoint.memory(checkpoint.expand(options), options))
          options.kv_memory += actor.kv_full;
        options.parallel = 6;
      }
      const Model model = runtime.load(checkpoint, options);
      std::vector<Generation> streams;
      for (const GenerateOptions& request : requests()) {
        for (const std::size_t size : {3U, 65U, 140U}) streams.push_back(model.generate(prompt_of(size), request));
      }
      for (std::size_t i = 0; i < streams.size(); ++i) {
        INFO(plan << (little ? ", little memory" : "") << ", request " << i);
        const Outcome got = read(streams[i]);
        REQUIRE_FALSE(got.error);
        REQUIRE(got.ids == expected[i].ids);
      }
      std::uint32_t preempted = 0;
      for (const ReplicaStats& replica : model.stats().replicas) preempted += replica.preempted;
      if (little) CHECK(preempted > 0);
    }
  }
}

TEST_CASE("samplers go on on another replica where the first has stopped") {
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Model alone = runtime.load(checkpoint, {.threads = 1});
  for (const GenerateOptions& options : requests()) {
    const Ids expected = whole(alone, prompt_of(70), options).ids;
    const Model model = runtime.load(checkpoint, {.plan = "dp2", .threads = 1});
    std::vector<Generation> streams;
    for (int i = 0; i < 4; ++i) streams.push_back(model.generate(prompt_of(70), options));
    for (Generation& stream : streams) REQUIRE(stream.next()->id == expected[0]);
    model.drain(0);
    for (Generation& stream : streams) {
      const Outcome got = read(stream);
      REQUIRE_FALSE(got.error);
      REQUIRE(got.ids == Ids(expected.begin() + 1, expected.end()));
    }
  }
}

TEST_CASE("texts of one prompt are those of each choice alone, and share the prompt") {
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Model alone = runtime.load(checkpoint, {.threads = 1, .parallel = 1, .prefix_cache = false});
  GenerateOptions options = tokens(20);
  options.sampling = {.temperature = 1.0F, .seed = 4, .choice = 3};
  constexpr std::uint32_t count = 5;
  const Ids prompt = prompt_of(200);
  std::vector<Ids> expected;
  for (std::uint32_t i = 0; i < count; ++i) {
    GenerateOptions each = options;
    each.sampling.choice += i;
    expected.push_back(whole(alone, prompt, each).ids);
    for (std::uint32_t before = 0; before < i; ++before) CHECK(expected[before] != expected[i]);
  }
  for (const char* plan : {"tp1", "pp2", "pp2.tp2", "dp2"}) {
    for (const std::uint32_t chunk : {512U, 50U}) {
      INFO(plan << ", chunk " << chunk);
      const Model model = runtime.load(checkpoint, {.plan = plan, .threads = 1, .chunk = chunk, .parallel = 8});
      std::vector<Generation> texts = model.generate_texts(prompt, count, options);
      REQUIRE(texts.size() == count);
      std::uint32_t computed = 0;
      for (std::uint32_t i = 0; i < count; ++i) {
        CHECK(read(texts[i]).ids == expected[i]);
        const Usage usage = texts[i].finish()->usage;
        computed += usage.prompt_tokens - usage.cached_tokens;
      }
      const std::uint32_t replicas = std::string(plan) == "dp2" ? 2 : 1;
      CHECK(computed == replicas * 200 + (count - replicas) * 8);  // three blocks of 64 are shared
    }
  }
  CHECK(alone.generate_texts(prompt, 0, options).empty());
}

TEST_CASE("no text ends before min_tokens, and none is shown that is banned") {
  const Runtime runtime;
  const Model model = runtime.load(tiny_path(), {.threads = 1});
  const TokenId end = model.checkpoint().impl()->tokenizer->ends().front();
  GenerateOptions options{.max_tokens = 30};
  options.sampling.logit_bias = {{end, 1000.0F}, {3, -infinity}};
  for (const std::uint32_t least : {0U, 1U, 7U, 30U}) {
    options.min_tokens = least;
    const Outcome outcome = outcome_of(model.generate(Ids{1, 2}, options));
    CHECK(outcome.ids.size() == least);
    CHECK(std::count(outcome.ids.begin(), outcome.ids.end(), 3) == 0);
  }
}

TEST_CASE("sampling that cannot be is refused in one line", "[bad-input]") {
  const Runtime runtime;
  const Model model = runtime.load(tiny_path(), {.threads = 1});
  GenerateOptions options = tokens(5);
  const auto refusal = [&] {
    const Error error = error_of([&] { (void)model.generate(Ids{1}, options); });
    CHECK(error.code() == Code::invalid_argument);
    return error.message();
  };
  options.min_tokens = 6;
  CHECK_THAT(refusal(), Contains("min_tokens is 6") && Contains("room for 5"));
  options = tokens(5);
  options.sampling.logit_bias = {{272, 1.0F}};
  CHECK_THAT(refusal(), Contains("token 272") && Contains("271"));
  options.sampling.logit_bias.clear();
  for (TokenId id = 0; id < 267; ++id) options.sampling.logit_bias.push_back({id, -infinity});
  const Outcome outcome = outcome_of(model.generate(Ids{1}, options));
  CHECK(outcome.code() == Code::out_of_range);
  CHECK_THAT(outcome.error->message(), Contains("no token is left"));
  CHECK(continued(model, Ids{1}, 3).size() == 3);
}

}  // namespace troupe::testing
