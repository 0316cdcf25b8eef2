#include <cmath>
#include <set>

#include "kernels/math.hpp"
#include "runtime/text/candidates.hpp"
#include "runtime/text/cuts.hpp"
#include "runtime/text/mirostat.hpp"
#include "runtime/text/random.hpp"
#include "tests/runtime/sampling_fixture.hpp"
#include "tests/runtime/sampling_reference.hpp"

// Each sampler against its definition in double. Where a bound is so near that rounding decides, both answers are
// right.

namespace troupe::testing {
namespace {

using Ids = std::set<TokenId>;

Ids ids_of(const ReferenceCandidates& candidates) {
  Ids ids;
  for (const auto& each : candidates.all) ids.insert(each.id);
  return ids;
}

/// Random rows, and odd ones.
std::vector<std::vector<float>> rows(Random& random) {
  std::vector<std::vector<float>> all = {
      {0.5F}, {-3e38F}, {infinity}, {1, 1}, {-infinity, 2, -infinity}, {3, -infinity, 3, 3, -infinity, 3}};
  for (const std::size_t size : {1024, 1025, 3000}) all.emplace_back(size, -7.5F);
  all.push_back({3e38F, -1e38F, 0, 1e38F});
  all.push_back({40, 0, -40, -90, -200});
  for (int i = 0; i < 60; ++i) {
    std::vector<float> row = random_logits(random, 1 + random() % 3000, static_cast<float>(random() % 60) / 10.0F);
    if (i % 3 == 0) row[random() % row.size()] = -infinity;
    if (i % 4 == 0) row[random() % row.size()] = row[random() % row.size()];
    if (ReferenceCandidates(row).all.empty()) row[0] = 0;
    all.push_back(row);
  }
  return all;
}

std::size_t differences(const Ids& a, const Ids& b) {
  const auto missing = [](const Ids& from, const Ids& in) {
    return std::count_if(from.begin(), from.end(), [&](TokenId id) { return !in.contains(id); });
  };
  return static_cast<std::size_t>(missing(a, b) + missing(b, a));
}

/// What a sampler leaves of a row is what its definition does, but for what a parameter a little to either side
/// changes, and, among many, two that stand as near the edge; and with the same bits from every instruction set.
template <class Cut, class Definition>
void check(const std::vector<float>& row, float parameter, const Cut& cut, const Definition& definition) {
  std::vector<float> first;
  for (const kernels::KernelTable* table : kernels::tables()) {
    SamplingRoom room(row.size(), 0);
    const Candidates candidates = candidates_of(row, 1.0F, *table, room);
    cut(candidates, parameter);
    if (first.empty()) first = room.chances;
    REQUIRE(room.chances == first);
  }
  const auto by_definition = [&](double value) {
    ReferenceCandidates candidates(row);
    // What is no chance in float is none here.
    const double least = candidates.all[0].logit - deepest;
    definition(candidates, value);
    std::erase_if(candidates.all, [&](const auto& each) { return each.logit < least; });
    return ids_of(candidates);
  };
  Ids kept;
  for (std::size_t id = 0; id < first.size(); ++id) {
    if (first[id] >= -deepest) kept.insert(static_cast<TokenId>(id));
  }
  REQUIRE_FALSE(kept.empty());
  constexpr double little = 1e-5;
  const Ids exact = by_definition(parameter);
  const std::size_t edge =
      differences(by_definition(parameter * (1 - little)), by_definition(parameter * (1 + little)));
  INFO(row.size() << " logits, parameter " << parameter << ", kept " << kept.size() << ", by definition "
                  << exact.size());
  REQUIRE(differences(kept, exact) <= edge + (row.size() > 100 ? 2 : 0));
}

}  // namespace

TEST_CASE("each sampler leaves what its definition leaves") {
  Random random(first_seed());
  for (const std::vector<float>& row : rows(random)) {
    const bool finite = *std::max_element(row.begin(), row.end()) < infinity;
    if (!finite) continue;
    for (const float share : {0.001F, 0.05F, 0.3F, 0.5F, 0.77F, 0.95F}) {
      check(row, share, keep_top_p, [](auto& all, double value) { all.top_p(value); });
      check(row, share, keep_min_p, [](auto& all, double value) { all.min_p(value); });
      check(row, share, keep_typical, [](auto& all, double value) { all.typical_p(value); });
      check(row, share, exclude_top_choices, [](auto& all, double value) { all.xtc(value); });
    }
    for (const float deviations : {0.001F, 0.5F, 1.0F, 2.7F, 30.0F}) {
      check(row, deviations, keep_top_n_sigma, [](auto& all, double value) { all.top_n_sigma(value); });
    }
    for (const float count : {1.0F, 2.0F, 40.0F, 4000.0F}) {
      check(
          row, count,
          [](const auto& candidates, float value) { keep_top_k(candidates, static_cast<std::uint32_t>(value)); },
          [](auto& all, double value) { all.top_k(static_cast<std::size_t>(std::lround(value))); });
    }
    check(
        row, 0, [](const auto& candidates, float) { keep_likeliest(candidates); },
        [](auto& all, double) { all.temperature(0); });
  }
}

TEST_CASE("typical_p keeps, to the id, what the same numbers in full order say") {
  Random random(first_seed());
  for (int i = 0; i < 200; ++i) {
    std::vector<float> row = random_logits(random, 1 + random() % 5000, static_cast<float>(random() % 80) / 10.0F);
    if (i % 3 == 0) row[random() % row.size()] = -infinity;
    if (i % 4 == 0) std::fill_n(row.begin(), row.size() / 2, row[0]);  // ties
    if (i % 5 == 0) row[random() % row.size()] = 100.0F;
    if (*std::max_element(row.begin(), row.end()) == -infinity) row[0] = 0.0F;
    const float share = static_cast<float>(1 + random() % 998) / 1000.0F;
    SamplingRoom room(row.size(), 0);
    const Candidates candidates = candidates_of(row, 1.0F, *kernels::find_table(), room);
    const std::vector<float> before = room.chances;
    const double whole = candidates.whole();
    double entropy = 0.0;
    std::uint64_t all = 0;
    const auto mass = [&](std::size_t id) {
      return static_cast<std::uint64_t>(kernels::exp_f32(before[id]) * 0x1p39F);
    };
    std::vector<std::size_t> order;
    for (std::size_t id = 0; id < row.size(); ++id) {
      if (before[id] < -deepest) continue;
      entropy += kernels::exp_f32(static_cast<float>(before[id] - whole)) * (whole - before[id]);
      all += mass(id);
      order.push_back(id);
    }
    const auto off = [&](std::size_t id) { return std::abs(whole - before[id] - entropy); };
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return off(a) < off(b); });
    auto wanted = static_cast<std::int64_t>(share * static_cast<double>(all));
    std::set<std::size_t> expected, kept;
    for (std::size_t at = 0; at < order.size() && (wanted > 0 || at == 0); ++at) {
      expected.insert(order[at]);
      wanted -= static_cast<std::int64_t>(mass(order[at]));
    }
    keep_typical(candidates, share);
    for (std::size_t id = 0; id < row.size(); ++id) {
      if (room.chances[id] > no_chance) kept.insert(id);
    }
    INFO(row.size() << " logits, share " << share);
    REQUIRE(kept == expected);
  }
}

TEST_CASE("samplers of rows where infinity wins leave it alone") {
  for (const auto& cut : {keep_top_p, keep_min_p, keep_typical, exclude_top_choices, keep_top_n_sigma}) {
    const std::vector<float> row{0, 1, infinity, 3e38F};
    SamplingRoom room(row.size(), 0);
    const Candidates candidates = candidates_of(row, 1.0F, *kernels::find_table(), room);
    cut(candidates, 0.5F);
    CHECK(room.chances == std::vector<float>{no_chance, no_chance, 0, no_chance});
  }
}

TEST_CASE("equal chances: bounds take all of them, shares the lowest ids") {
  const std::vector<float> equal(100, 3.0F);
  const auto most = [&](const Sampling& sampling) {
    TokenId highest = 0;
    for (std::uint32_t position = 0; position < 500; ++position) {
      highest = std::max(highest, pick(equal, sampling, position));
    }
    return highest;
  };
  CHECK(most({.temperature = 1.0F, .min_p = 1.0F}) > 90);
  CHECK(most({.temperature = 1.0F, .top_n_sigma = 0.1F}) > 90);
  CHECK(most({.temperature = 1.0F, .typical_p = 0.0999F}) == 9);
  CHECK(most({.temperature = 1.0F, .top_p = 0.0999F}) == 9);
  CHECK(pick(equal, {.temperature = 1.0F, .xtc_probability = 1.0F, .xtc_threshold = 0.0099F}) == 99);
  CHECK(pick(equal, {.temperature = 1.0F, .xtc_probability = 1.0F, .xtc_threshold = 0.0101F}) ==
        pick(equal, {.temperature = 1.0F}));
}

TEST_CASE("top_k keeps as many as it should, however unlikely, when a temperature comes behind it") {
  std::vector<float> row(1000, 0.0F);
  row[7] = 200.0F;
  const Sampling sampling{.temperature = 1000.0F, .top_k = 2, .xtc_probability = 1.0F, .xtc_threshold = 1.0F};
  const auto seen = counts_of(row, sampling, 1000);
  CHECK(seen[0] > 300);
  CHECK(seen[7] > 300);
  CHECK(seen[0] + seen[7] == 1000);
}

TEST_CASE("XTC happens as often as it is asked to, whatever else is drawn") {
  Random random(first_seed());
  const std::vector<float> two{1.0F, 0.9F, -20.0F};
  Sampling sampling{.temperature = 0.0F, .xtc_threshold = 0.3F};
  for (const float probability : {0.0F, 0.25F, 0.8F, 1.0F}) {
    sampling.xtc_probability = probability;
    sampling.seed = random();
    const auto seen = counts_of(two, sampling, 4000);
    CHECK(seen[1] == Approx(4000 * probability).margin(150));
    CHECK(seen[0] + seen[1] == 4000);
  }
  sampling.xtc_probability = 0.5F;
  const auto first = counts_of(two, sampling, 1000);
  ++sampling.choice;
  CHECK(counts_of(two, sampling, 1000) != first);
}

TEST_CASE("greedy takes the likeliest of what the others leave") {
  const std::vector<float> logits{0, 5, 4.9F, 1};
  CHECK(pick(logits, {}) == 1);
  CHECK(pick(logits, {.temperature = -1.0F, .top_k = 3, .top_p = 0.9F, .min_p = 0.1F, .top_n_sigma = 1.0F}) == 1);
  CHECK(pick(logits, {.xtc_probability = 1.0F}) == 2);
  CHECK(pick({0, 5, 4, 1}, {.typical_p = 0.1F}) == 1);
  CHECK(pick({1, 1, 1, 1.5F, 0}, {.typical_p = 0.1F}) == 0);
}

TEST_CASE("what is not in the order does nothing, and without t the temperature is 1") {
  Random random(first_seed());
  for (int i = 0; i < 50; ++i) {
    const auto logits = random_logits(random, 500, 3.0F);
    const std::uint64_t seed = random();
    CHECK(pick(logits, {.temperature = 1.0F, .seed = seed}) ==
          pick(logits, {.temperature = 0.3F, .top_k = 1, .top_p = 0.1F, .seed = seed, .min_p = 0.9F, .order = ""}));
    CHECK(pick(logits, {.temperature = 0.7F, .top_k = 9, .seed = seed}) ==
          pick(logits, {.temperature = 0.7F, .top_k = 9, .seed = seed, .order = "tk"}));
  }
}

TEST_CASE("Mirostat keeps the surprise of texts where it is asked to be, as its definition does") {
  Random random(first_seed());
  for (const float tau : {1.0F, 3.0F, 5.0F}) {
    const Sampling sampling{.temperature = 1.0F, .seed = random(), .mirostat = true, .mirostat_tau = tau};
    const SamplingTerms terms = terms_of(sampling);
    float bound = 2 * tau;
    double expected = bound, surprises = 0;
    constexpr int steps = 600;
    for (int step = 0; step < steps; ++step) {
      const auto logits = random_logits(random, 2000, 2.0F);
      SamplingRoom room(logits.size(), 0);
      const TokenId token =
          sample(logits, terms, static_cast<std::uint32_t>(step), bound, *kernels::find_table(), room);
      ReferenceCandidates candidates(logits);
      const std::vector<double> before = candidates.probabilities();
      std::size_t kept = 1;
      while (kept < before.size() && -std::log2(before[kept]) <= expected) ++kept;
      candidates.all.resize(kept);
      const std::vector<double> p = candidates.probabilities();
      std::size_t place = 0;
      while (place < kept && candidates.all[place].id != token) ++place;
      REQUIRE(place < kept);
      expected -= sampling.mirostat_eta * (-std::log2(p[place]) - tau);
      surprises += -std::log2(p[place]);
      REQUIRE(bound == Approx(expected).margin(1e-3));
      expected = bound;
    }
    CHECK(surprises / steps == Approx(tau).margin(0.2));
  }
}

TEST_CASE("Mirostat's bound may be anything") {
  for (const float bound : {-1e9F, -1.0F, 0.0F, 1e9F}) {
    const std::vector<float> logits{1, 2, 2, -infinity};
    SamplingRoom room(4, 0);
    float moved = bound;
    const Sampling sampling{.temperature = 1.0F, .mirostat = true};
    const TokenId token = sample(logits, terms_of(sampling), 3, moved, *kernels::find_table(), room);
    CHECK((bound > 0 ? token < 3 : token == 1 || token == 2));
    CHECK(std::isfinite(moved));
  }
}

TEST_CASE("choices of one seed draw texts of their own") {
  const std::vector<float> equal(1000, 0.0F);
  std::set<TokenId> drawn;
  for (std::uint32_t choice = 0; choice < 100; ++choice) {
    drawn.insert(pick(equal, {.temperature = 1.0F, .seed = 5, .choice = choice}, 17));
  }
  CHECK(drawn.size() > 80);
}

}  // namespace troupe::testing
