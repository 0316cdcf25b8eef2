#include "runtime/text/sampling.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>

#include "runtime/text/logprobs.hpp"
#include "runtime/text/random.hpp"
#include "tests/runtime/sampling_fixture.hpp"
#include "tests/runtime/sampling_reference.hpp"

namespace troupe::testing {
namespace {

/// What a right sampler may be off by, and a wrong one is: see misfit().
constexpr double most_misfit = 6;

/// Pearson's statistic of many draws against the definition, in standard deviations from its mean. Ids that would come
/// less than 20 times are taken together.
double misfit(const std::vector<float>& logits, const Sampling& sampling, std::uint32_t draws) {
  const std::vector<std::uint32_t> seen = counts_of(logits, sampling, draws);
  const std::vector<double> expected = reference_chances(logits, sampling);
  double statistic = 0, rare = 0, rare_seen = 0;
  std::size_t cells = 0;
  const auto add = [&](double wanted, double got) {
    statistic += (got - wanted) * (got - wanted) / wanted;
    ++cells;
  };
  for (std::size_t id = 0; id < logits.size(); ++id) {
    if (expected[id] == 0.0) REQUIRE(seen[id] == 0);
    if (expected[id] * draws >= 20) {
      add(expected[id] * draws, seen[id]);
    } else {
      rare += expected[id] * draws;
      rare_seen += seen[id];
    }
  }
  if (rare >= 20) add(rare, rare_seen);
  const double freedom = static_cast<double>(cells) - 1;
  return freedom > 0 ? (statistic - freedom) / std::sqrt(2 * freedom) : 0.0;
}

}  // namespace

TEST_CASE("fault 9: logits that no token can be sampled from have a fault", "[bad-input]") {
  for (const std::size_t n : {1U, 2U, 15U, 16U, 100U, 49152U}) {
    for (const std::size_t at : {std::size_t{0}, n / 2, n - 1}) {
      std::vector<float> logits(n, -infinity);
      CHECK(std::string(fault_of(logits)).starts_with("no token is left"));
      for (const float fine : {0.0F, -3e38F, 1.0F, infinity}) {
        logits[at] = fine;
        CHECK(fault_of(logits) == nullptr);
      }
      for (const float bad : {nan, -nan}) {
        logits[at] = bad;
        CHECK(std::string(fault_of(logits)) == "a logit is not a number");
      }
      logits.assign(n, 1.0F);
      CHECK(fault_of(logits) == nullptr);
      logits[at] = nan;
      CHECK(std::string(fault_of(logits)) == "a logit is not a number");
    }
  }
}

TEST_CASE("Philox gives the known answers") {  // kat_vectors of Random123
  using Words = std::array<std::uint32_t, 4>;
  CHECK(philox({0, 0, 0, 0}, 0) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({~0U, ~0U, ~0U, ~0U}, ~std::uint64_t{0}) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("uniform numbers depend on seed, position and choice, and are below one") {
  CHECK(uniform(0, 0, 0, 0) == static_cast<float>(0x6627e8d5 >> 8) * 0x1p-24F);
  std::map<float, int> seen;
  double sum = 0;
  for (std::uint32_t i = 0; i < 3000; ++i) {
    for (const float u : {uniform(i, 7, 0, 0), uniform(7, 10'000 + i, 0, 1), uniform(7, 7, 1 + i, 0),
                          uniform(std::uint64_t{i} << 32, 8, 0, 0)}) {
      REQUIRE(u >= 0.0F);
      REQUIRE(u < 1.0F);
      sum += u;
      ++seen[u];
    }
  }
  CHECK(sum / 12'000 == Approx(0.5).margin(0.01));
  CHECK(seen.size() > 11'980);
}

TEST_CASE("greedy takes the largest, and of equals the lowest id") {
  CHECK(pick({1, 3, 2}, {}) == 1);
  CHECK(pick({5, 5, 5}, {}) == 0);
  CHECK(pick({0, 7, 7, 1}, {.top_k = 3, .top_p = 0.5F, .seed = 9}) == 1);
  CHECK(pick({-infinity, -1e38F}, {}) == 1);
  CHECK(pick({0.0F}, {}) == 0);
  std::vector<float> long_row(5000, -1.0F);
  long_row[4321] = long_row[4700] = 0.0F;
  CHECK(pick(long_row, {}) == 4321);
}

TEST_CASE("top_k of one is greedy, at any temperature") {
  Random random(first_seed());
  for (int i = 0; i < 50; ++i) {
    const auto logits = random_logits(random, 1 + random() % 3000, 2.0F);
    CHECK(pick(logits, {.temperature = 100.0F, .top_k = 1, .seed = random()}) == pick(logits, {}));
    CHECK(pick(logits, {.temperature = 1.0F, .top_p = 1e-6F, .seed = random()}) == pick(logits, {}));
    CHECK(pick(logits, {.temperature = 1e-30F, .seed = random()}) == pick(logits, {}));
  }
}

TEST_CASE("ties at the edge of top_k and top_p stay in from the lowest id") {
  const std::vector<float> equal(2000, 1.5F);
  for (std::uint32_t position = 0; position < 200; ++position) {
    CHECK(pick(equal, {.temperature = 1.0F, .top_k = 3}, position) < 3);
    CHECK(pick(equal, {.temperature = 1.0F, .top_p = 0.01F}, position) < 21);
    CHECK(pick({0, 2, 2, 2, 1}, {.temperature = 9.0F, .top_k = 2}, position) % 3 != 0);
  }
}

TEST_CASE("ids are drawn as often as their chances say") {
  Random random(first_seed());
  const auto few = random_logits(random, 40, 1.5F);
  const auto many = random_logits(random, 3000, 3.0F);
  std::vector<float> spread(5000, -20.0F);  // a few ids in unlike segments
  for (const std::size_t id : {0U, 1023U, 1024U, 2048U, 4999U}) spread[id] = static_cast<float>(id % 7) / 3;
  for (const Sampling& sampling :
       {Sampling{.temperature = 1.0F}, Sampling{.temperature = 0.5F}, Sampling{.temperature = 3.0F},
        Sampling{.temperature = 1.0F, .top_k = 10}, Sampling{.temperature = 1.0F, .top_p = 0.7F},
        Sampling{.temperature = 2.0F, .top_k = 30, .top_p = 0.8F}, Sampling{.temperature = 1.0F, .top_k = 100'000}}) {
    for (const std::uint64_t seed : {std::uint64_t{1}, std::uint64_t{0xFFFF'FFFF'0000'0001}}) {
      Sampling mine = sampling;
      mine.seed = seed;
      INFO("temperature " << mine.temperature << ", top_k " << mine.top_k << ", top_p " << mine.top_p << ", seed "
                          << seed);
      CHECK(misfit(few, mine, 8'000) < most_misfit);
      CHECK(misfit(many, mine, 4'000) < most_misfit);
      CHECK(misfit(spread, mine, 4'000) < most_misfit);
    }
  }
}

TEST_CASE("the measure of the draws sees a wrong temperature") {
  Random random(first_seed());
  const auto logits = random_logits(random, 40, 1.5F);
  std::vector<float> warmer = logits;
  for (float& logit : warmer) logit *= 0.9F;
  CHECK(misfit(logits, {.temperature = 1.0F}, 20'000) < most_misfit);
  const std::vector<std::uint32_t> seen = counts_of(warmer, {.temperature = 1.0F}, 20'000);
  double statistic = 0;
  const auto expected = reference_chances(logits, {.temperature = 1.0F});
  for (std::size_t id = 0; id < 40; ++id)
    statistic += std::pow(seen[id] - expected[id] * 20'000, 2) / (expected[id] * 20'000);
  CHECK(statistic > 39 + most_misfit * std::sqrt(2.0 * 39));
}

TEST_CASE("nothing outside top_k and top_p is ever drawn") {
  Random random(first_seed());
  for (int i = 0; i < 300; ++i) {
    const auto logits = random_logits(random, 1 + random() % 4000, static_cast<float>(random() % 50) / 10.0F);
    Sampling sampling{.temperature = static_cast<float>(1 + random() % 40) / 10.0F, .seed = random()};
    if (random() % 2 == 0) sampling.top_k = 1 + random() % 100;
    if (random() % 2 == 0) sampling.top_p = static_cast<float>(1 + random() % 100) / 100.0F;
    sampling.top_p *= 1.0F + 1e-6F;  // where the sum is at the edge, rounding may let one more in
    const auto allowed = reference_chances(logits, sampling);
    sampling.top_p /= 1.0F + 1e-6F;
    INFO(logits.size() << " logits, temperature " << sampling.temperature << ", top_k " << sampling.top_k << ", top_p "
                       << sampling.top_p);
    for (std::uint32_t position = 0; position < 20; ++position)
      REQUIRE(allowed[pick(logits, sampling, position)] > 0.0);
  }
}

TEST_CASE("logits that are no numbers are never drawn while there are others", "[bad-input]") {
  Random random(first_seed());
  const float odd[] = {nan, -nan, -infinity};
  for (int i = 0; i < 400; ++i) {
    auto logits = random_logits(random, 1 + random() % 2500, 5.0F);
    for (float& logit : logits) logit = random() % 3 == 0 ? odd[random() % 3] : logit;
    const bool any = std::any_of(logits.begin(), logits.end(), [](float l) { return l > -infinity; });
    Sampling sampling{.temperature = static_cast<float>(random() % 4), .seed = random()};
    if (random() % 2 == 0) sampling.top_k = 1 + random() % 100;
    if (random() % 2 == 0) sampling.top_p = static_cast<float>(1 + random() % 100) / 100.0F;
    INFO(logits.size() << " logits, temperature " << sampling.temperature << ", top_k " << sampling.top_k << ", top_p "
                       << sampling.top_p);
    const TokenId id = pick(logits, sampling, random() % 1000);
    if (any) REQUIRE(logits[id] > -infinity);
  }
}

TEST_CASE("the strangest rows still give an id", "[bad-input]") {
  for (const float all : {nan, infinity, -infinity, 3e38F, -3e38F, 1e-40F}) {
    for (const std::size_t size : {1, 2, 100, 1024, 1025, 3000}) {
      for (const float temperature : {0.0F, 1e-40F, 1.0F, 1e6F}) {
        for (const std::uint32_t top_k : {0U, 1U, 7U, 4'000'000'000U}) {
          for (const float top_p : {1e-30F, 0.5F, 1.0F}) {
            (void)pick(std::vector<float>(size, all), {.temperature = temperature, .top_k = top_k, .top_p = top_p}, 5);
          }
        }
      }
    }
  }
  const std::vector<float> extremes{3e38F, -3e38F, infinity, -infinity, nan, 0};
  for (const float temperature : {0.0F, 1e-40F, 1.0F, 1e6F}) CHECK(pick(extremes, {.temperature = temperature}) == 2);
}

TEST_CASE("logprobs are those of the definition, with the same bits from every instruction set") {
  Random random(first_seed());
  for (const std::size_t size : {1, 7, 1024, 1025, 49'152}) {
    for (const float width : {0.01F, 1.0F, 8.0F}) {
      std::vector<float> logits = random_logits(random, size, width);
      if (size > 100) logits[17] = -infinity;
      const double largest = *std::max_element(logits.begin(), logits.end());
      double sum = 0;
      for (const float logit : logits) sum += std::exp(logit - largest);
      const auto chosen = static_cast<TokenId>(random() % size);
      SamplingRoom room(size, 0);
      const auto first = logprobs(logits, chosen, 20, *kernels::tables()[0], room);
      for (const kernels::KernelTable* table : kernels::tables()) {
        const auto other = logprobs(logits, chosen, 20, *table, room);
        REQUIRE(other.size() == first.size());
        for (std::size_t i = 0; i < first.size(); ++i) {
          CHECK(other[i].id == first[i].id);
          CHECK(other[i].logprob == first[i].logprob);
        }
      }
      REQUIRE(first.size() == 1 + std::min<std::size_t>(20, size));
      CHECK(first[0].id == chosen);
      for (const TokenLogprob& each : first) {
        CHECK(each.logprob == Approx(logits[each.id] - largest - std::log(sum)).margin(1e-4));
      }
      for (std::size_t i = 2; i < first.size(); ++i) CHECK(first[i - 1].logprob >= first[i].logprob);
      CHECK(logits[first[1].id] == largest);
    }
  }
}

TEST_CASE("logprobs of logits that are equal, impossible or infinite", "[bad-input]") {
  const kernels::KernelTable& kernels = *kernels::find_table();
  SamplingRoom room(5, 0);
  auto some = logprobs(std::vector<float>{1, 2, 2, -infinity, 2}, 1, 20, kernels, room);
  REQUIRE(some.size() == 5);  // what has no chance is none of the likeliest
  CHECK(some[1].id == 1);
  CHECK(some[2].id == 2);
  CHECK(some[3].id == 4);
  CHECK(some[4].id == 0);
  some = logprobs(std::vector<float>{0, infinity, 5, infinity}, 3, 3, kernels, room);
  REQUIRE(some.size() == 3);
  CHECK(some[0].logprob == Approx(std::log(0.5)).margin(1e-6));
  CHECK(some[1].id == 1);
  some = logprobs(std::vector<float>{1e9F, 0, -1e9F}, 0, 0, kernels, room);
  REQUIRE(some.size() == 1);
  CHECK(some[0].logprob == 0.0F);
}

}  // namespace troupe::testing
