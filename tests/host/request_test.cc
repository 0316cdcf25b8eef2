#include <limits>

#include "runtime/text/utf8.hpp"
#include "tests/host/house.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

}  // namespace

TEST_CASE("prompts past the context are refused, and the model goes on", "[bad-input]") {
  const Runtime runtime;
  const Model model = runtime.load(tiny_path(), {.plan = "pp2", .threads = 1, .context = 100, .chunk = 16});
  for (const std::size_t size : {101, 257, 1'000'000}) {
    const Error error = error_of([&] { (void)model.generate(Ids(size, 5), {}); });
    CHECK(error.code() == Code::invalid_argument);
    CHECK_THAT(error.message(), Contains(std::to_string(size) + " tokens") && Contains("100 positions"));
    CHECK(error_of([&] { model.logits(Ids(size, 5), false, [](auto, auto) {}); }).code() == Code::invalid_argument);
    const Error of_text = error_of([&] { (void)model.generate(std::string(size, '~'), {}); });
    CHECK(of_text.code() == Code::invalid_argument);
    // Where no tokens of the vocabulary could be so few, nobody counts them.
    const std::size_t least = size / std::string_view("<|im_start|>").size();
    CHECK_THAT(of_text.message(),
               Contains(least > 100 ? "at least " + std::to_string(least) + " tokens" : std::to_string(size)));
  }
  CHECK(outcome_of(model.generate(Ids(100, 5), tokens(50))).ids.size() == 1);  // what comes after the last position
  CHECK(outcome_of(model.generate(Ids(90, 5), tokens(0))).ids.size() == 11);
  CHECK(outcome_of(model.generate(Ids(99, 5), tokens(2))).ids.size() == 2);
}

TEST_CASE("an empty prompt is refused", "[bad-input]") {
  const Runtime runtime;
  const Model model = runtime.load(tiny_path(), {.threads = 1});
  for (const Error& error :
       {error_of([&] { (void)model.generate(Ids{}, {}); }), error_of([&] { (void)model.generate("", {}); }),
        error_of([&] { model.logits({}, true, [](auto, auto) {}); })}) {
    CHECK(error.code() == Code::invalid_argument);
    CHECK_THAT(error.message(), Contains("empty"));
  }
}

TEST_CASE("unknown ids are refused, with their place", "[bad-input]") {
  const Runtime runtime;
  const Model model = runtime.load(tiny_path(), {.threads = 1});
  for (const TokenId id :
       {-1, 272, 1'000'000, std::numeric_limits<TokenId>::min(), std::numeric_limits<TokenId>::max()}) {
    for (const Error& error : {error_of([&] {
                                 (void)model.generate(Ids{1, 2, id}, {});
                               }),
                               error_of([&] {
                                 model.logits({1, 2, id}, true, [](auto, auto) {});
                               })}) {
      CHECK(error.code() == Code::invalid_argument);
      CHECK_THAT(error.message(), Contains("id " + std::to_string(id) + " at place 2") && Contains("271"));
    }
    CHECK(error_of([&] { (void)model.checkpoint().detokenize(Ids{id}); }).code() == Code::invalid_argument);
  }
  CHECK(outcome_of(model.generate(Ids{0, 271}, tokens(2))).ids.size() ==
        2);  // the vocabulary is larger than the tokenizer
}

TEST_CASE("an id that the embedding has and the tokenizer has not is never sampled, whoever asks for it",
          "[bad-input]") {
  Runtime runtime;
  runtime.add_actor("push", factory_of([](const StepView& step) {
                      for (std::size_t i = 0; i < step.out.rows; ++i) step.out.row(i)[270] = 1e9F;
                    }));
  const LoadOptions options{.threads = 1};
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Model model = runtime.load(checkpoint, with_actors(checkpoint.expand(options), "push", "logits"), options);
  const Outcome outcome = outcome_of(model.generate(Ids{1, 2}, tokens(5)));
  CHECK(outcome.ids.size() == 5);
  for (const TokenId id : outcome.ids) CHECK(id < static_cast<TokenId>(TinyModel::tokens));
}

TEST_CASE("a prompt of any bytes is taken", "[bad-input]") {
  const Runtime runtime;
  const Model model = runtime.load(tiny_path(), {.threads = 1});
  for (const std::string& bytes :
       {std::string("\xFF\xFE"), std::string("\xC3"), std::string("\xED\xA0\x80"), std::string("a\0b", 3),
        std::string("\xF0\x9F\x98"), std::string("\x80<|im_end|>\xC0\xAF")}) {
    CHECK(outcome_of(model.generate(bytes, tokens(4))).ids.size() == 4);
  }
  std::string text;
  for (const Token& token : model.generate("\xFF\xFE", tokens(100))) text += token.text;
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Char c = first_char(rest);
    REQUIRE(c.kind == Utf8Char::Kind::valid);
    rest.remove_prefix(c.length);
  }
}

TEST_CASE("settings of the sampler that cannot be are refused", "[bad-input]") {
  const Runtime runtime;
  const Model model = runtime.load(tiny_path(), {.threads = 1});
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const auto refusal = [&](const Sampling& sampling) {
    const Error error = error_of([&] { (void)model.generate(Ids{1}, {.max_tokens = 1, .sampling = sampling}); });
    CHECK(error.code() == Code::invalid_argument);
    return error.message();
  };
  for (const float temperature : {-1e7F, nan, infinity, -infinity, 1e7F}) {
    CHECK_THAT(refusal({.temperature = temperature}), Contains("temperature is") && Contains("must be between"));
  }
  for (const float top_p : {0.0F, -1.0F, 1.01F, nan, infinity})
    CHECK_THAT(refusal({.top_p = top_p}), Contains("top_p is") && Contains("must be above 0"));
  for (const Sampling& sampling :
       {Sampling{.temperature = 1e6F}, Sampling{.temperature = 1e-40F, .top_k = 4'000'000'000U},
        Sampling{.temperature = 1.0F, .top_k = 1, .top_p = 1e-30F}}) {
    CHECK(outcome_of(model.generate(Ids{1}, {.max_tokens = 5, .sampling = sampling, .ignore_end = true})).ids.size() ==
          5);
  }
}

TEST_CASE("a seed gives the same text under every plan and among any mates") {
  const Runtime runtime;
  GenerateOptions options = tokens(60);
  options.sampling = {.temperature = 1.0F, .top_k = 50, .top_p = 0.95F, .seed = 42};
  Ids expected;
  for (const char* plan : {"tp1", "tp2:1", "pp2", "dp2", "pp2.tp2"}) {
    const Model model = runtime.load(tiny_path(), {.plan = plan, .threads = 1, .chunk = 7, .parallel = 4});
    std::vector<Generation> mates;
    for (int i = 0; i < 3; ++i) mates.push_back(model.generate(Ids(1 + 5 * i, 9), tokens(30)));
    const Ids ids = outcome_of(model.generate(Ids{4, 5, 6}, options)).ids;
    REQUIRE(ids.size() == 60);
    if (expected.empty()) expected = ids;
    CHECK(ids == expected);
    options.sampling.seed = 43;
    CHECK(outcome_of(model.generate(Ids{4, 5, 6}, options)).ids != expected);
    options.sampling.seed = 42;
  }
}

TEST_CASE("a logits sink that throws fails its own request", "[bad-input]") {
  const Runtime runtime;
  for (const char* plan : {"tp1", "pp2", "tp2"}) {
    const Model model = runtime.load(tiny_path(), {.plan = plan, .threads = 1, .chunk = 4, .parallel = 4});
    Generation other = model.generate(Ids{1, 2}, tokens(100));
    const Ids alone = continued(model, {1, 2}, 100);
    std::uint32_t calls = 0;
    const Error thrown = error_of([&] {
      model.logits(Ids(40, 3), true, [&](std::uint32_t position, auto) {
        ++calls;
        if (position == 6) throw std::runtime_error("the host is full");
      });
    });
    CHECK(thrown.code() == Code::failed);
    CHECK_THAT(thrown.message(), Contains("sink threw: the host is full"));
    const std::uint32_t then = calls;
    CHECK(error_of([&] { model.logits({1, 2, 3}, false, [](auto, auto) { throw 5; }); }).code() == Code::failed);
    CHECK(calls == then);  // nothing is called once logits has returned
    std::vector<std::uint32_t> positions;
    model.logits(Ids(40, 3), true, [&](std::uint32_t position, std::span<const float> logits) {
      positions.push_back(position);
      REQUIRE(logits.size() == TinyModel::vocabulary);
    });
    REQUIRE(positions.size() == 40);
    for (std::uint32_t i = 0; i < 40; ++i) REQUIRE(positions[i] == i);
    CHECK(read(other).ids == alone);
  }
}

}  // namespace troupe::testing
