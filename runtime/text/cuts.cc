#include "runtime/text/cuts.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/math.hpp"

namespace troupe {
namespace {

/// Leaves a chance to `last` and the ids that are likelier.
void cut_after(const Candidates& candidates, TokenId last) {
  const std::span<const float> logits = candidates.logits;
  std::vector<float>& x = candidates.chances();
  const float least = logits[last];
  const auto beyond = static_cast<std::size_t>(last) + 1;
  for (std::size_t i = 0; i < beyond; ++i) x[i] = logits[i] >= least ? x[i] : no_chance;
  for (std::size_t i = beyond; i < x.size(); ++i) x[i] = logits[i] > least ? x[i] : no_chance;
}

void cut_below(const Candidates& candidates, float least) {
  for (float& chance : candidates.chances()) chance = chance >= least ? chance : no_chance;
}

/// In the room, the ids that have this, from the lowest on.
template <class Has>
std::vector<TokenId>& ids_with(const Candidates& candidates, const Has& has) {
  std::vector<TokenId>& ids = candidates.room.ids;
  ids.clear();
  for (std::size_t i = 0; i < candidates.chances().size(); ++i) {
    if (has(static_cast<TokenId>(i))) ids.push_back(static_cast<TokenId>(i));
  }
  return ids;
}

/// The likeliest ids, in no order: enough of them, or all that have a chance.
template <class Enough>
std::vector<TokenId>& likeliest(const Candidates& candidates, const Enough& enough) {
  for (float bound = 1.0F;; bound *= 2) {
    const auto near = [&, x = candidates.chances().data()](TokenId id) { return -x[id] <= bound; };
    std::vector<TokenId>& ids = ids_with(candidates, near);
    if (bound > deepest || enough(ids)) return ids;
  }
}

/// The mass of a share of all chances, and of some ids, in whole numbers, whose sum has no order: that of the
/// likeliest is one such unit, and 2^24 of them can be added.
constexpr float mass_of_likeliest = 0x1p39F;

std::uint64_t mass_of(float weight) { return static_cast<std::uint64_t>(weight * mass_of_likeliest); }

std::uint64_t mass_of_share(float share, double all) {
  return std::max<std::uint64_t>(static_cast<std::uint64_t>(share * all), 1);
}

/// exp of each chance, in the room.
const std::vector<float>& weigh_each(const Candidates& candidates) {
  const std::vector<float>& x = candidates.chances();
  std::vector<float>& weights = candidates.room.weights;
  weights.resize(x.size());
  candidates.kernels.exponentials(x.data(), x.size(), weights.data());
  return weights;
}

auto mass_by(const std::vector<float>& weights) {
  return [&weights](auto from, auto to) {
    std::uint64_t sum = 0;
    for (; from != to; ++from) sum += mass_of(weights[*from]);
    return sum;
  };
}

/// The last of the fewest ids, by an order, whose mass reaches what is wanted: halves what may hold it. Those before it
/// are the ones that come before it then.
template <class Mass, class Order>
std::vector<TokenId>::iterator last_needed(std::vector<TokenId>& ids, const Order& order, const Mass& mass,
                                           std::uint64_t wanted) {
  auto first = ids.begin(), last = ids.end();
  while (last - first > 1) {
    const auto middle = first + (last - first) / 2;
    std::nth_element(first, middle, last, order);
    const std::uint64_t upper = mass(first, middle);
    (upper < wanted ? first : last) = middle;
    if (first == middle) wanted -= upper;
  }
  return first;
}

/// What surprises on average, in nats: the sum in the order of the ids.
double entropy_of(const Candidates& candidates, double whole) {
  const std::vector<float>& x = candidates.chances();
  std::vector<float>& shares = candidates.room.weights;
  shares.resize(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) shares[i] = static_cast<float>(x[i] - whole);
  candidates.kernels.exponentials(shares.data(), x.size(), shares.data());
  double entropy = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] >= -deepest) entropy += shares[i] * (whole - x[i]);
  }
  return entropy;
}

/// The last of the fewest ids with the least of something, `off`, of equals the lowest ids, that have a share of all
/// chances. How much there is of each eighth of a nat says in which of them it is, so that only those ids are ordered.
template <class Off>
TokenId last_within(const Candidates& candidates, const Off& off, float share) {
  const std::vector<float>& weights = weigh_each(candidates);
  std::array<std::uint64_t, 1024> masses{};
  const auto place = [&](TokenId id) { return static_cast<std::size_t>(std::min(off(id) * 8.0, masses.size() - 1.0)); };
  std::uint64_t all = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    masses[place(static_cast<TokenId>(i))] += mass_of(weights[i]);
    all += mass_of(weights[i]);
  }
  std::uint64_t wanted = mass_of_share(share, static_cast<double>(all));
  std::size_t in = 0;
  while (masses[in] < wanted) wanted -= masses[in++];
  std::vector<TokenId>& ids = ids_with(candidates, [&](TokenId id) { return place(id) == in; });
  const auto nearer = [&](TokenId a, TokenId b) { return off(a) != off(b) ? off(a) < off(b) : a < b; };
  return *last_needed(ids, nearer, mass_by(weights), wanted);
}

}  // namespace

void keep_top_k(const Candidates& candidates, std::uint32_t count) {
  const auto found = likeliest(candidates, [&](const auto& ids) { return ids.size() >= count; }).size();
  // A temperature that is yet to come may give more of a chance to what has next to none.
  const auto possible = [x = candidates.chances().data()](TokenId id) { return x[id] > no_chance; };
  std::vector<TokenId>& ids = found < count ? ids_with(candidates, possible) : candidates.room.ids;
  if (ids.size() < count) return;
  const auto last = ids.begin() + static_cast<std::ptrdiff_t>(count) - 1;
  std::nth_element(ids.begin(), last, ids.end(), candidates.likelier());
  cut_after(candidates, *last);
}

void keep_top_p(const Candidates& candidates, float share) {
  const auto mass = mass_by(weigh_each(candidates));
  const std::uint64_t wanted = mass_of_share(share, sum_of(weigh_segments(candidates)) * mass_of_likeliest);
  std::vector<TokenId>& ids =
      likeliest(candidates, [&](const auto& found) { return mass(found.begin(), found.end()) >= wanted; });
  if (!ids.empty()) cut_after(candidates, *last_needed(ids, candidates.likelier(), mass, wanted));
}

void keep_min_p(const Candidates& candidates, float share) {
  cut_below(candidates, static_cast<float>(kernels::log_f64(share)));
}

void keep_typical(const Candidates& candidates, float share) {
  std::vector<float>& x = candidates.chances();
  const double whole = candidates.whole(), entropy = entropy_of(candidates, whole);
  const auto off = [&](TokenId id) { return std::abs(whole - x[id] - entropy); };
  const TokenId last = last_within(candidates, off, share);
  const double most = off(last);
  const auto beyond = static_cast<std::size_t>(last) + 1;
  for (std::size_t i = 0; i < beyond; ++i) x[i] = off(static_cast<TokenId>(i)) <= most ? x[i] : no_chance;
  for (std::size_t i = beyond; i < x.size(); ++i) x[i] = off(static_cast<TokenId>(i)) < most ? x[i] : no_chance;
  centre(candidates);
}

void keep_top_n_sigma(const Candidates& candidates, float deviations) {
  const std::vector<float>& x = candidates.chances();
  double count = 0.0, sum = 0.0, squares = 0.0;
  for (const float chance : x) {
    if (chance > no_chance) ++count;
    if (chance > no_chance) sum += chance;
  }
  const double mean = sum / count;
  for (const float chance : x) {
    if (chance > no_chance) squares += (chance - mean) * (chance - mean);
  }
  cut_below(candidates, static_cast<float>(-deviations * std::sqrt(squares / count)));
}

void keep_likeliest(const Candidates& candidates) {
  // By the logits: two chances may be rounded to one.
  const std::vector<TokenId>& ids = ids_with(candidates, [&](TokenId id) { return candidates.chances()[id] == 0.0F; });
  cut_after(candidates, *std::min_element(ids.begin(), ids.end(), candidates.likelier()));
}

void exclude_top_choices(const Candidates& candidates, float threshold) {
  std::vector<float>& x = candidates.chances();
  const auto least = static_cast<float>(candidates.whole() + kernels::log_f64(threshold));
  const std::vector<TokenId>& ids =
      ids_with(candidates, [&](TokenId id) { return x[id] >= least && x[id] > no_chance; });
  if (ids.size() < 2) return;
  const TokenId last = *std::max_element(ids.begin(), ids.end(), candidates.likelier());
  for (const TokenId id : ids) x[id] = id == last ? x[id] : no_chance;
  centre(candidates);
}

}  // namespace troupe
