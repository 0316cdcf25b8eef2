#include "runtime/device/cpu/routing.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "runtime/device/cpu/expert_capacity.hpp"
#include "tests/seed.hpp"

namespace troupe::testing {
namespace {

using Numbers = std::vector<std::uint32_t>;

constexpr std::uint32_t used = 3, experts = 10;

/// Which of so many ranks have each expert.
std::vector<Numbers> dealt_evenly(std::uint32_t ranks) {
  std::vector<Numbers> ranks_of(experts);
  for (std::uint32_t rank = 0; rank < ranks; ++rank) {
    for (std::uint32_t e = rank * experts / ranks; e < (rank + 1) * experts / ranks; ++e) ranks_of[e] = {rank};
  }
  return ranks_of;
}

/// [rows][2 * used]: of each row some experts, none twice, and what they count.
std::vector<float> choices_of(std::size_t rows, Random& random) {
  std::vector<float> choices;
  for (std::size_t row = 0; row < rows; ++row) {
    std::vector<float> scores(experts), ranks(experts), choice(2 * used);
    for (float& score : scores) score = static_cast<float>(random() % 1000) / 100.0F;
    REQUIRE(choose_experts(scores.data(), nullptr, experts, {.used = used, .normalised = true}, ranks.data(),
                           choice.data()));
    choices.insert(choices.end(), choice.begin(), choice.end());
  }
  return choices;
}

bool chosen(const std::vector<float>& choices, std::size_t row, std::size_t expert) {
  const auto first = choices.begin() + static_cast<std::ptrdiff_t>(row * 2 * used);
  return std::find(first, first + used, static_cast<float>(expert)) != first + used;
}

}  // namespace

TEST_CASE("expert capacity: no expert has more than its room, first choices go first, and what is lost is counted") {
  for (std::uint32_t seed = first_seed(); seed < first_seed() + 100; ++seed) {
    INFO("seed " << seed);
    Random random(seed);
    const std::size_t rows = random() % 30;
    ExpertChoice how{.used = used, .normalised = random() % 2 == 0};
    how.gating = random() % 2 == 0 ? Gating::softmax : Gating::sigmoid;
    how.capacity.factor = static_cast<float>(1 + random() % 30) / 10.0F;
    const bool reroutes = random() % 2 == 0;
    how.capacity.beyond = reroutes ? ExpertCapacity::Beyond::reroute : ExpertCapacity::Beyond::drop;
    std::vector<float> scores(rows * experts), before, ranks(experts), choice(2 * used);
    for (float& score : scores) score = static_cast<float>(random() % 1000) / (random() % 3 == 0 ? 20.0F : 1000.0F);
    for (std::size_t row = 0; row < rows; ++row) {
      REQUIRE(choose_experts(scores.data() + row * experts, nullptr, experts, how, ranks.data(), choice.data()));
      before.insert(before.end(), choice.begin(), choice.end());
    }
    std::vector<float> after = before;
    Numbers room;
    const BeyondCapacity beyond = limit_experts(scores.data(), nullptr, rows, experts, how, room, after.data());
    const double even = static_cast<double>(rows * used) / experts;
    Numbers taken(experts);
    std::uint64_t lost = 0, kept = 0;
    for (std::size_t row = 0; row < rows; ++row) {
      float* const mine = after.data() + row * 2 * used;
      bool same = true;
      for (std::uint32_t k = 0; k < used; ++k) {
        if (mine[k] < 0) {
          ++lost;
          continue;
        }
        ++taken[static_cast<std::size_t>(mine[k])];
        REQUIRE(std::count(mine, mine + used, mine[k]) == 1);
        kept += chosen(before, row, static_cast<std::size_t>(mine[k])) ? 1 : 0;
        same &= mine[k] == before[row * 2 * used + k];
      }
      for (std::uint32_t k = used; same && k < 2 * used; ++k) {
        if (mine[k - used] >= 0 && !reroutes) REQUIRE(mine[k] == before[row * 2 * used + k]);
      }
      if (reroutes && how.normalised && mine[0] >= 0) {
        float sum = 0;
        for (std::uint32_t k = 0; k < used; ++k) sum += mine[k] >= 0 ? mine[used + k] : 0.0F;
        REQUIRE(sum == Approx(1.0F));
      }
    }
    for (const std::uint32_t count : taken) {
      REQUIRE(count <= std::min(std::ceil(double{how.capacity.factor} * even), static_cast<double>(rows)));
    }
    REQUIRE(beyond.dropped == lost);
    REQUIRE(beyond.rerouted == rows * used - lost - kept);
    REQUIRE((reroutes || beyond.rerouted == 0));
  }
}

TEST_CASE("routing: a row is sent once to each rank that has an expert of its choice, and to no other") {
  Random random(first_seed());
  INFO("seed " << first_seed());
  for (const std::uint32_t ranks : {1U, 2U, 3U, 10U}) {
    const std::size_t rows = random() % 40;
    const auto choices = choices_of(rows, random);
    Routing routing;
    const auto ranks_of = dealt_evenly(ranks);
    routing.plan(choices.data(), rows, used, ranks_of, ranks, 0);
    std::size_t sent = 0;
    for (std::uint32_t rank = 0; rank < ranks; ++rank) {
      std::size_t here = 0;
      for (std::size_t row = 0; row < rows; ++row) {
        const std::uint32_t at = routing.sent_at[row * ranks + rank];
        bool wanted = false;
        for (std::size_t e = rank * experts / ranks; e < (rank + 1) * experts / ranks; ++e) {
          wanted |= chosen(choices, row, e);
        }
        REQUIRE((at != nowhere) == wanted);
        if (!wanted) continue;
        REQUIRE(at == sent + here++);
        REQUIRE(routing.sent_row[at] == row);
      }
      REQUIRE(routing.gives[rank] == here);
      sent += here;
    }
    REQUIRE(routing.sent_row.size() == sent);
  }
}

TEST_CASE("routing: of an expert that several ranks have one is used, its own by a rank that has it, and all alike") {
  Random random(first_seed());
  INFO("seed " << first_seed());
  constexpr std::uint32_t ranks = 4;
  std::vector<Numbers> ranks_of = dealt_evenly(ranks);
  ranks_of[3] = {0, 2, 3};
  ranks_of[7] = {1, 2};
  const std::size_t rows = 300;
  const auto choices = choices_of(rows, random);
  std::vector<std::size_t> used_there(ranks);
  for (std::uint32_t own = 0; own < ranks; ++own) {
    Routing routing;
    routing.plan(choices.data(), rows, used, ranks_of, ranks, own);
    std::vector<std::size_t> times(rows * used);
    std::size_t sent = 0;
    for (std::uint32_t rank = 0; rank < ranks; ++rank) {
      for (std::size_t i = 0; i < routing.gives[rank]; ++i, ++sent) {
        std::vector<float> picked(2 * used);
        routing.pick_choice(sent, choices.data(), picked.data());
        const std::size_t row = routing.sent_row[sent];
        for (std::uint32_t k = 0; k < used; ++k) {
          CHECK(picked[used + k] == choices[(row * 2 + 1) * used + k]);
          if (picked[k] < 0.0F) continue;
          const float chosen_here = choices[row * 2 * used + k];
          CHECK(picked[k] == chosen_here);
          const Numbers& there = ranks_of[static_cast<std::size_t>(chosen_here)];
          CHECK(std::find(there.begin(), there.end(), rank) != there.end());
          if (std::find(there.begin(), there.end(), own) != there.end()) CHECK(rank == own);
          ++times[row * used + k];
          used_there[rank] += chosen_here == 7.0F ? 1 : 0;
        }
      }
    }
    CHECK(std::all_of(times.begin(), times.end(), [](std::size_t each) { return each == 1; }));
  }
  // Of ranks 1 and 2 each has its own rows, and half of the others'.
  CHECK(used_there[0] + used_there[3] == 0);
  CHECK(std::max(used_there[1], used_there[2]) - std::min(used_there[1], used_there[2]) <=
        (used_there[1] + used_there[2]) / 5);
}

TEST_CASE("routing: what experts count is the softmax of all scores, or of the chosen ones', or each one's sigmoid") {
  const std::vector<float> scores{0.5F, 2.0F, -1.0F, 2.0F, 1.0F};
  const auto chosen_of = [&](const ExpertChoice& how, const std::vector<float>& bias = {}) {
    std::vector<float> ranks(scores.size()), choice(2 * how.used);
    REQUIRE(choose_experts(scores.data(), bias.empty() ? nullptr : bias.data(), scores.size(), how, ranks.data(),
                           choice.data()));
    return choice;
  };
  const auto check = [](const std::vector<float>& choice, const std::vector<double>& expected) {
    REQUIRE(choice.size() == expected.size());
    for (std::size_t i = 0; i < choice.size(); ++i) CHECK(double{choice[i]} == Approx(expected[i]));
  };
  const auto sigmoid = [](double x) { return 1.0 / (1.0 + std::exp(-x)); };
  double all = 0.0;
  for (const float score : scores) all += std::exp(double{score});
  const double one = std::exp(2.0), other = std::exp(1.0);
  check(chosen_of({.used = 3}), {1, 3, 4, one / all, one / all, other / all});
  const double three = 2.0 * one + other;
  for (const bool normalised : {false, true}) {
    check(chosen_of({.used = 3, .normalised = normalised, .scale = 2.0F, .gating = Gating::softmax_of_chosen}),
          {1, 3, 4, 2.0 * one / three, 2.0 * one / three, 2.0 * other / three});
  }
  check(chosen_of({.used = 2, .gating = Gating::sigmoid}), {1, 3, sigmoid(2.0), sigmoid(2.0)});
  // The bias chooses, and does not count.
  const double both = sigmoid(-1.0) + sigmoid(1.0);
  check(chosen_of({.used = 2, .normalised = true, .scale = 0.5F, .gating = Gating::sigmoid}, {0, 0, 2, 0, 0.5}),
        {2, 4, 0.5 * sigmoid(-1.0) / both, 0.5 * sigmoid(1.0) / both});
}

TEST_CASE("routing: a score or a bias that is no number is told") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> ranks(3), choice(4);
  for (const Gating gating : {Gating::softmax, Gating::softmax_of_chosen, Gating::sigmoid}) {
    for (std::size_t at = 0; at < 3; ++at) {
      std::vector<float> scores{1.0F, 2.0F, 3.0F};
      scores[at] = nan;
      CHECK_FALSE(
          choose_experts(scores.data(), nullptr, 3, {.used = 2, .gating = gating}, ranks.data(), choice.data()));
    }
  }
  const std::vector<float> scores{1.0F, 2.0F, 3.0F}, bias{nan, 0.0F, 0.0F};
  CHECK_FALSE(choose_experts(scores.data(), bias.data(), 3, {.used = 2, .gating = Gating::sigmoid}, ranks.data(),
                             choice.data()));
}

TEST_CASE("routing: of a choice the experts that are here are laid out, each with its rows in order") {
  Random random(first_seed());
  INFO("seed " << first_seed());
  for (const auto& here : {Numbers{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, Numbers{0, 1, 2}, Numbers{1, 4, 8}, Numbers{9}}) {
    const std::size_t rows = random() % 40;
    const auto choices = choices_of(rows, random);
    Routing routing;
    REQUIRE(routing.lay(choices.data(), rows, used, here, experts, rows * used));
    REQUIRE(routing.first.size() == here.size() + 1);
    std::size_t at = 0;
    for (std::size_t i = 0; i < here.size(); ++i) {
      REQUIRE(routing.first[i] == at);
      for (std::size_t row = 0; row < rows; ++row) {
        if (chosen(choices, row, here[i])) REQUIRE(routing.row[at++] == row);
      }
    }
    REQUIRE(routing.row.size() == at);
  }
}

TEST_CASE("routing: a peer's choice may be anything", "[bad-input]") {
  const float odd[] = {
      std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -1.0F, 10.0F, 2.5F, 1e30F,
      -std::numeric_limits<float>::infinity()};
  for (const float expert : odd) {
    std::vector<float> choices{expert, 3.0F, expert, 1.0F, 1.0F, 1.0F};
    Routing routing;
    const bool fits = routing.lay(choices.data(), 1, used, Numbers{0, 2, 3, 9}, experts, 3);
    CHECK(fits);
    for (const std::uint32_t row : routing.row) CHECK(row == 0);
    routing.plan(choices.data(), 1, used, dealt_evenly(5), 5, 0);
    CHECK(routing.sent_row.size() <= 5);
  }
  const std::vector<float> same{3.0F, 3.0F, 3.0F, 1.0F, 1.0F, 1.0F};
  Routing routing;
  CHECK_FALSE(routing.lay(same.data(), 1, used, Numbers{3}, experts, 1));
}

}  // namespace troupe::testing
