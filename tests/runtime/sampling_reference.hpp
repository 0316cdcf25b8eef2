#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <span>
#include <vector>

#include "troupe/sampling.hpp"

namespace troupe::testing {

/// Sampling by its definitions, in double and without a thought of speed: candidates with their logits, the likeliest
/// first and of equals the lowest id.
class ReferenceCandidates {
 public:
  struct One {
    TokenId id;
    double logit;
  };

  explicit ReferenceCandidates(std::span<const float> logits) {
    for (std::size_t id = 0; id < logits.size(); ++id) {
      if (logits[id] > -std::numeric_limits<float>::infinity()) all.push_back({static_cast<TokenId>(id), logits[id]});
    }
    sort();
  }

  /// The probability of each, in their order.
  [[nodiscard]] std::vector<double> probabilities() const {
    std::vector<double> weights;
    double sum = 0;
    for (const One& each : all) weights.push_back(std::exp(each.logit - all[0].logit));
    for (const double weight : weights) sum += weight;
    for (double& weight : weights) weight /= sum;
    return weights;
  }

  void top_k(std::size_t count) { all.resize(std::min(count, all.size())); }
  void top_p(double share) { all.resize(reaching(probabilities(), share)); }
  void min_p(double share) {
    const std::vector<double> p = probabilities();
    keep([&](std::size_t i) { return p[i] >= share * p[0]; });
  }
  void typical_p(double share) {
    std::vector<double> p = probabilities();
    double entropy = 0;
    for (const double each : p) entropy -= each > 0 ? each * std::log(each) : 0;
    std::vector<std::size_t> order(p.size());
    for (std::size_t i = 0; i < p.size(); ++i) order[i] = i;
    const auto off = [&](std::size_t i) { return std::abs(-std::log(p[i]) - entropy); };
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return off(a) != off(b) ? off(a) < off(b) : all[a].id < all[b].id; });
    std::vector<double> sorted;
    for (const std::size_t i : order) sorted.push_back(p[i]);
    order.resize(reaching(sorted, share));
    keep([&](std::size_t i) { return std::find(order.begin(), order.end(), i) != order.end(); });
  }
  void top_n_sigma(double deviations) {
    double mean = 0, squares = 0;
    for (const One& each : all) mean += each.logit / static_cast<double>(all.size());
    for (const One& each : all) squares += (each.logit - mean) * (each.logit - mean);
    const double least = all[0].logit - deviations * std::sqrt(squares / static_cast<double>(all.size()));
    keep([&](std::size_t i) { return all[i].logit >= least; });
  }
  void xtc(double threshold) {
    const std::vector<double> p = probabilities();
    const auto likely = std::count_if(p.begin(), p.end(), [&](double each) { return each >= threshold; });
    if (likely > 1) all.erase(all.begin(), all.begin() + likely - 1);
  }
  void temperature(double value) {
    if (value <= 0) return all.resize(1);
    for (One& each : all) each.logit /= value;
  }

  /// All of Sampling::order but penalties, DRY and XTC.
  void apply(const Sampling& sampling) {
    const std::map<char, std::function<void()>> samplers = {
        {'s',
         [&] {
           if (sampling.top_n_sigma > 0) top_n_sigma(sampling.top_n_sigma);
         }},
        {'k',
         [&] {
           if (sampling.top_k > 0) top_k(sampling.top_k);
         }},
        {'y',
         [&] {
           if (sampling.typical_p < 1) typical_p(sampling.typical_p);
         }},
        {'p',
         [&] {
           if (sampling.top_p < 1) top_p(sampling.top_p);
         }},
        {'m', [&] { min_p(sampling.min_p); }},
        {'t', [&] { temperature(sampling.temperature); }},
    };
    for (const char letter : sampling.order) {
      if (samplers.contains(letter)) samplers.at(letter)();
    }
  }

  std::vector<One> all;

 private:
  void sort() {
    std::stable_sort(all.begin(), all.end(), [](const One& a, const One& b) { return a.logit > b.logit; });
  }
  template <class Kept>
  void keep(const Kept& kept) {
    std::vector<One> left;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (kept(i)) left.push_back(all[i]);
    }
    all = left;
  }
  static std::size_t reaching(const std::vector<double>& p, double share) {
    double reached = 0;
    std::size_t count = 0;
    while (count < p.size() && reached < share) reached += p[count++];
    return count;
  }
};

/// Every id's chance.
inline std::vector<double> reference_chances(std::span<const float> logits, const Sampling& sampling) {
  ReferenceCandidates candidates(logits);
  candidates.apply(sampling);
  const std::vector<double> p = candidates.probabilities();
  std::vector<double> chances(logits.size(), 0.0);
  for (std::size_t i = 0; i < p.size(); ++i) chances[candidates.all[i].id] = p[i];
  return chances;
}

/// DRY's lengths by trying each end and each length: the longest repetition that each token would go on with.
inline std::map<TokenId, std::size_t> reference_repeats(std::span<const TokenId> window, std::size_t behind_breaker) {
  std::map<TokenId, std::size_t> longest;
  for (std::size_t end = 1; end < window.size(); ++end) {
    std::size_t length = 0;
    while (length < std::min(end, behind_breaker) && window[end - 1 - length] == window[window.size() - 1 - length]) {
      ++length;
    }
    longest[window[end]] = std::max(longest[window[end]], length);
  }
  return longest;
}

}  // namespace troupe::testing
