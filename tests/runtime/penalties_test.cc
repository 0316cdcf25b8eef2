#include "runtime/text/penalties.hpp"

#include <cmath>

#include "tests/runtime/sampling_fixture.hpp"
#include "tests/runtime/sampling_reference.hpp"

namespace troupe::testing {
namespace {

using Tokens = std::vector<TokenId>;
using Catch::Matchers::Contains;

Tokens random_tokens(Random& random, std::size_t size, std::uint32_t kinds) {
  Tokens tokens(size);
  for (TokenId& token : tokens) token = static_cast<TokenId>(random() % kinds);
  return tokens;
}

/// A row as a text's tokens change it.
std::vector<float> changed(const std::vector<float>& logits, const SamplingTerms& terms, const Tokens& tokens,
                           std::uint32_t position = 0) {
  SamplingRoom room(logits.size(), tokens.size());
  SamplingState state;
  state.reserve(tokens.size());
  state.begin(terms, tokens, 0);
  const auto row = adjusted(logits, terms, state, position, room);
  CHECK(std::all_of(room.counts.begin(), room.counts.end(), [](std::uint32_t count) { return count == 0; }));
  return {row.begin(), row.end()};
}

std::size_t behind_breaker(const Tokens& tokens, const DryBreakers& breakers) {
  for (std::size_t end = tokens.size(); end > 0; --end) {
    if (breakers.has(tokens[end - 1])) return tokens.size() - end;
    for (const Tokens& sequence : breakers.sequences) {
      const auto last = tokens.begin() + static_cast<std::ptrdiff_t>(end);
      if (sequence.size() <= end && std::equal(sequence.begin(), sequence.end(), last - sequence.size())) {
        return tokens.size() - end;
      }
    }
  }
  return tokens.size();
}

}  // namespace

TEST_CASE("penalties are those of the definition") {
  Random random(first_seed());
  for (int i = 0; i < 300; ++i) {
    const auto logits = random_logits(random, 1 + random() % 100, 5.0F);
    const Tokens tokens = random_tokens(random, random() % 200, 130);  // some have no logit
    Sampling sampling{.repeat_penalty = static_cast<float>(1 + random() % 30) / 10.0F};
    sampling.presence_penalty = static_cast<float>(random() % 7) / 2.0F - 1.5F;
    sampling.frequency_penalty = static_cast<float>(random() % 7) / 3.0F - 1.0F;
    sampling.penalty_last_n = static_cast<std::int32_t>(random() % 100) - 1;
    const auto row = changed(logits, terms_of(sampling), tokens);
    const std::size_t window = sampling.penalty_last_n < 0 ? tokens.size() : sampling.penalty_last_n;
    for (std::size_t id = 0; id < logits.size(); ++id) {
      double count = 0;
      for (std::size_t t = tokens.size() - std::min(window, tokens.size()); t < tokens.size(); ++t) {
        count += tokens[t] == static_cast<TokenId>(id);
      }
      double expected = logits[id];
      if (count > 0) {
        expected = expected > 0 ? expected / sampling.repeat_penalty : expected * sampling.repeat_penalty;
        expected -= count * sampling.frequency_penalty + sampling.presence_penalty;
      }
      REQUIRE(row[id] == Approx(expected).margin(1e-4));
      if (count == 0) REQUIRE(row[id] == logits[id]);
    }
  }
}

TEST_CASE("DRY takes what its definition takes, up to breakers") {
  Random random(first_seed());
  for (int i = 0; i < 600; ++i) {
    const auto logits = random_logits(random, 60, 5.0F);
    const std::uint32_t kinds = 1 + random() % 5;
    Tokens tokens = random_tokens(random, random() % 80, kinds);
    for (TokenId& token : tokens) token += 8;  // "\b" to "\f", "\n" among them: the bytes are the ids
    Sampling sampling{.dry_multiplier = 0.8F, .dry_base = 1.0F + static_cast<float>(random() % 10) / 8.0F};
    sampling.dry_allowed_length = 1 + random() % 4;
    sampling.dry_last_n = static_cast<std::int32_t>(random() % 90) - 1;
    if (i % 3 == 0) sampling.dry_breakers = {"\t\b\t"};
    if (i % 3 == 1) sampling.dry_breakers = {};
    const SamplingTerms terms = terms_of(sampling);
    const DryBreakers breakers = terms.breakers ? *terms.breakers : DryBreakers();
    const auto row = changed(logits, terms, tokens);
    const std::size_t window = sampling.dry_last_n < 0 ? tokens.size() : sampling.dry_last_n;
    const auto repeats =
        reference_repeats(std::span(tokens).last(std::min(window, tokens.size())), behind_breaker(tokens, breakers));
    for (std::size_t id = 0; id < logits.size(); ++id) {
      const auto found = repeats.find(static_cast<TokenId>(id));
      double expected = logits[id];
      const std::size_t length = found == repeats.end() ? 0 : found->second;
      if (length >= sampling.dry_allowed_length && !breakers.has(static_cast<TokenId>(id))) {
        expected -= sampling.dry_multiplier *
                    std::pow(double{sampling.dry_base}, static_cast<double>(length - sampling.dry_allowed_length));
      }
      INFO("case " << i << ", id " << id << ", repeats " << length);
      REQUIRE(row[id] == Approx(expected).epsilon(1e-5).margin(1e-5));
    }
  }
}

TEST_CASE("breakers of a list that was asked for lately are made once") {
  DryBreakerLists lists;
  const auto list = [](std::size_t number) { return std::vector<std::string>{"\n", std::string(number + 1, 'a')}; };
  const auto first = lists.of(list(0), tiny_tokenizer());
  for (std::size_t i = 1; i < 8; ++i) {
    CHECK(lists.of(list(i), tiny_tokenizer()) != first);
    CHECK(lists.of(list(0), tiny_tokenizer()) == first);
  }
  for (std::size_t i = 8; i < 16; ++i) (void)lists.of(list(i), tiny_tokenizer());
  const auto again = lists.of(list(0), tiny_tokenizer());
  CHECK(again != first);  // forgotten by now
  CHECK(again->tokens == first->tokens);
}

TEST_CASE("breakers are tokens with one of them in it, and those in several tokens") {
  const SamplingTerms terms = terms_of({.dry_multiplier = 1.0F, .dry_breakers = {"\n", "xyz"}});
  CHECK(terms.breakers->has('\n'));
  CHECK_FALSE(terms.breakers->has('x'));
  REQUIRE(terms.breakers->sequences.size() == 1);
  CHECK(terms.breakers->sequences[0] == Tokens{'x', 'y', 'z'});
}

TEST_CASE("a text that repeats itself all along takes no longer", "[bad-input]") {
  constexpr std::size_t length = 1'000'000;
  Tokens tokens(length, 7);
  for (const std::size_t period : {1U, 2U, 1000U}) {
    for (std::size_t i = 0; i < length; ++i) tokens[i] = static_cast<TokenId>(i % period);
    Sampling sampling{.penalty_last_n = -1, .frequency_penalty = 1.0F, .dry_multiplier = 1.0F, .dry_base = 1e6F};
    sampling.dry_breakers = {"abcdefg", "bcdefg"};
    const auto row = changed(std::vector<float>(1000, 0.0F), terms_of(sampling), tokens);
    CHECK(row[length % period] < -1e30F);  // what would go on
    CHECK(fault_of(row) == nullptr);
  }
}

TEST_CASE("a state that began earlier and one that was made anew change the same bits") {
  Random random(first_seed());
  Sampling sampling{
      .penalty_last_n = 20, .repeat_penalty = 1.3F, .dry_multiplier = 0.7F, .dry_breakers = {"\t\b", "\n"}};
  const SamplingTerms terms = terms_of(sampling);
  const auto logits = random_logits(random, 40, 5.0F);
  SamplingRoom room(logits.size(), 300);
  SamplingState grown;
  grown.reserve(300);
  Tokens tokens = random_tokens(random, 10, 12);
  grown.begin(terms, tokens, 0);
  for (int i = 0; i < 200; ++i) {
    tokens.push_back(static_cast<TokenId>(7 + random() % 5));
    grown.push(terms, tokens.back());
    const auto row = adjusted(logits, terms, grown, 0, room);
    REQUIRE(std::vector<float>(row.begin(), row.end()) == changed(logits, terms, tokens));
  }
}

TEST_CASE("biases and ends: what is never to come, and what not yet") {
  const std::vector<float> logits(272, 1.0F);
  Sampling sampling{.logit_bias = {{3, 2.5F}, {271, -infinity}, {5, -1.0F}}};
  auto row = changed(logits, terms_of(sampling, 4, 10), {}, 9 + 3);
  CHECK(row[3] == 3.5F);
  CHECK(row[5] == 0.0F);
  CHECK(row[271] == -infinity);
  CHECK(row[0] == 1.0F);
  REQUIRE_FALSE(tiny_tokenizer().ends().empty());
  for (const TokenId end : tiny_tokenizer().ends()) CHECK(row[end] == -infinity);  // the fourth token
  row = changed(logits, terms_of(sampling, 4, 10), {}, 9 + 4);
  for (const TokenId end : tiny_tokenizer().ends()) CHECK(row[end] == 1.0F);
}

TEST_CASE("each field that is out of its bounds is named, with what is right", "[bad-input]") {
  const auto refusal = [](const Sampling& sampling) {
    const Result<void> checked = check_sampling(sampling, 100);
    REQUIRE_FALSE(checked.ok());
    CHECK(checked.error().code() == Code::invalid_argument);
    CHECK(checked.error().message().find('\n') == std::string::npos);
    return checked.error().message();
  };
  CHECK(check_sampling({}, 100).ok());
  struct Field {
    const char* name;
    float Sampling::*value;
    float below, above, least, most;
  };
  for (const Field& field :
       {Field{"temperature", &Sampling::temperature, -2e6F, 2e6F, -1e6F, 1e6F},
        Field{"top_p", &Sampling::top_p, 0, 1.01F, 1e-30F, 1}, Field{"min_p", &Sampling::min_p, -0.1F, 1.01F, 0, 1},
        Field{"typical_p", &Sampling::typical_p, 0, 1.01F, 1e-30F, 1},
        Field{"top_n_sigma", &Sampling::top_n_sigma, -1.1F, 2e6F, -1, 1e6F},
        Field{"xtc_probability", &Sampling::xtc_probability, -0.1F, 1.1F, 0, 1},
        Field{"xtc_threshold", &Sampling::xtc_threshold, -0.1F, 1.1F, 0, 1},
        Field{"repeat_penalty", &Sampling::repeat_penalty, 0, 2e6F, 1e-30F, 1e6F},
        Field{"presence_penalty", &Sampling::presence_penalty, -2e6F, 2e6F, -1e6F, 1e6F},
        Field{"frequency_penalty", &Sampling::frequency_penalty, -2e6F, 2e6F, -1e6F, 1e6F},
        Field{"dry_multiplier", &Sampling::dry_multiplier, -0.1F, 2e6F, 0, 1e6F},
        Field{"dry_base", &Sampling::dry_base, 0.9F, 2e6F, 1, 1e6F},
        Field{"mirostat_tau", &Sampling::mirostat_tau, -1, 1001, 0, 1000},
        Field{"mirostat_eta", &Sampling::mirostat_eta, -0.1F, 1.1F, 0, 1}}) {
    Sampling sampling;
    for (const float bad : {field.below, field.above, nan, infinity, -infinity}) {
      sampling.*field.value = bad;
      CHECK_THAT(refusal(sampling), Catch::Matchers::StartsWith(field.name) && Contains("it must be"));
    }
    for (const float good : {field.least, field.most}) {
      sampling.*field.value = good;
      CHECK(check_sampling(sampling, 100).ok());
    }
  }
  CHECK_THAT(refusal({.penalty_last_n = -2}), Contains("penalty_last_n is -2"));
  CHECK_THAT(refusal({.dry_last_n = -2}), Contains("dry_last_n is -2"));
  CHECK_THAT(refusal({.dry_allowed_length = 0}), Contains("dry_allowed_length is 0"));
  CHECK_THAT(refusal({.dry_breakers = std::vector<std::string>(17, "a")}), Contains("17 texts"));
  CHECK_THAT(refusal({.dry_breakers = {""}}), Contains("has 0 bytes"));
  CHECK_THAT(refusal({.dry_breakers = {std::string(65, 'a')}}), Contains("has 65 bytes"));
  CHECK_THAT(refusal({.logit_bias = {{100, 0}}}), Contains("token 100") && Contains("between 0 and 99"));
  CHECK_THAT(refusal({.logit_bias = {{-1, 0}}}), Contains("token -1"));
  CHECK_THAT(refusal({.logit_bias = {{5, 0}, {5, 1}}}), Contains("token 5 is there twice"));
  for (const float bad : {nan, infinity, 2e6F}) CHECK_THAT(refusal({.logit_bias = {{7, bad}}}), Contains("token 7"));
  CHECK_THAT(refusal({.order = "kkt"}), Contains("each once"));
  CHECK_THAT(refusal({.order = "kz\n"}), Contains("edskypmxt"));
  CHECK_THAT(refusal({.order = "ked"}), Contains("e and d must come before"));
  CHECK(check_sampling({.order = ""}, 100).ok());
  CHECK(check_sampling({.order = "detk"}, 100).ok());
}

TEST_CASE("whatever is sampled, its room is as large as it says, and stays where it is") {
  Random random(first_seed());
  for (const std::size_t size : {1, 1024, 1025, 49'152}) {
    constexpr std::size_t context = 200;
    SamplingRoom room(size, context);
    SamplingState state;
    state.reserve(context);
    const auto bytes = [&] {
      return (room.logits.capacity() + room.chances.capacity() + room.segments.capacity() + room.weights.capacity()) *
                 sizeof(float) +
             (room.ids.capacity() + room.counts.capacity() + room.repeats.capacity()) * sizeof(TokenId);
    };
    const auto where = [&] {
      return std::vector<const void*>{room.logits.data(),  room.chances.data(),  room.segments.data(),
                                      room.weights.data(), room.ids.data(),      room.counts.data(),
                                      room.repeats.data(), state.last(-1).data()};
    };
    const auto before = where();
    for (const std::size_t logits : {size, (size + 1) / 2}) {
      const auto row = random_logits(random, logits, 0.1F);
      Sampling sampling{.temperature = 4.0F, .top_k = static_cast<std::uint32_t>(logits), .top_p = 0.9999F};
      sampling.typical_p = sampling.xtc_probability = 0.999F;
      sampling.xtc_threshold = 0.0F;
      sampling.frequency_penalty = sampling.dry_multiplier = sampling.top_n_sigma = 10.0F;
      sampling.penalty_last_n = -1;
      sampling.mirostat = true;
      const SamplingTerms terms = terms_of(sampling);
      state.begin(terms, random_tokens(random, context, 300), 10);
      for (std::uint32_t position = 0; position < 3; ++position) {
        const auto changed_row = adjusted(row, terms, state, position, room);
        const TokenId token = sample(changed_row, terms, position, state.surprise_bound, *kernels::find_table(), room);
        state.push(terms, token);
      }
      CHECK(bytes() == SamplingRoom::bytes(size, context));
      CHECK(where() == before);
    }
  }
}

}  // namespace troupe::testing
