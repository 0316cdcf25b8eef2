#include "runtime/plan/plan.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <numeric>

#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

constexpr std::uint32_t largest_share = 1'000'000;

Error wrong(std::string_view text, const std::string& why) {
  return {Code::invalid_argument, "plan " + quoted(text) + ": " + why};
}

/// "3" or "2:1" to shares; empty where it is neither or a number is out of place.
std::vector<std::uint32_t> parse_shares(std::string_view text) {
  std::vector<std::uint32_t> numbers;
  const char* at = text.data();
  const char* end = at + text.size();
  while (true) {
    std::uint32_t number = 0;
    const auto [next, failed] = std::from_chars(at, end, number);
    if (failed != std::errc{} || number == 0 || number > largest_share) return {};
    numbers.push_back(number);
    if (next == end) break;
    if (*next != ':') return {};
    at = next + 1;
  }
  if (numbers.size() > 1) return numbers;
  return std::vector<std::uint32_t>(std::min(numbers[0], most_nodes + 1), 1);
}

bool even(const std::vector<std::uint32_t>& shares) {
  return std::all_of(shares.begin(), shares.end(), [&](std::uint32_t s) { return s == shares[0]; });
}

std::string factor_name(const char* name, std::uint32_t degree) {
  return degree == 1 ? "" : name + std::to_string(degree);
}

std::string factor_name(const char* name, const std::vector<std::uint32_t>& shares) {
  if (shares.size() == 1) return {};
  if (even(shares)) return name + std::to_string(shares.size());
  std::string text = name;
  for (const std::uint32_t share : shares) text += (text.size() > 2 ? ":" : "") + std::to_string(share);
  return text;
}

/// The shares of one factor: even, the first twice the others, the last all that it can get; none past the limit.
std::vector<std::vector<std::uint32_t>> forms(std::uint32_t degree, std::uint32_t limit) {
  if (degree > limit) return {};
  const std::vector<std::uint32_t> equal(degree, 1);
  if (degree == 1 || degree == limit) return {equal};
  std::vector<std::uint32_t> first = equal, last = equal;
  first.front() = 2;
  last.back() = std::min(limit - degree + 1, largest_share);
  return {equal, first, last};
}

/// With every degree and form of pp and tp.
void add_products(std::vector<Plan>& plans, Plan plan, const PlanLimits& limits, const auto& fits) {
  for (std::uint32_t pp = 1; pp <= limits.layers; ++pp) {
    for (std::uint32_t tp = 1; tp <= limits.leaves; ++tp) {
      plan.pp.assign(pp, 1);
      plan.tp.assign(tp, 1);
      if (!fits(plan)) break;
      for (const auto& stages : forms(pp, limits.layers)) {
        for (const auto& shards : forms(tp, limits.leaves)) {
          plan.pp = stages;
          plan.tp = shards;
          plans.push_back(plan);
        }
      }
    }
    plan.tp.assign(1, 1);
    if (!fits(plan)) break;
  }
}

}  // namespace

std::string too_many_nodes() {
  return "its ranks, and a sampler for each replica, are more than the nodes of a graph, which are at most " +
         std::to_string(most_nodes);
}

Result<Plan> parse_plan(std::string_view text) {
  if (text.empty()) return wrong(text, "it is empty; write factors such as pp2, tp2 or dp2.pp2.tp2");
  Plan plan;
  const std::map<std::string_view, std::uint32_t*> even_only{
      {"dp", &plan.dp}, {"sp", &plan.sp}, {"cp", &plan.cp}, {"ep", &plan.ep}};
  const std::map<std::string_view, std::vector<std::uint32_t>*> in_shares{{"pp", &plan.pp}, {"tp", &plan.tp}};
  std::string seen;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t dot = std::min(text.find('.', at), text.size());
    const std::string_view factor = text.substr(at, dot - at);
    at = dot + 1;
    const std::string_view name = factor.substr(0, 2);
    const bool has_shares = in_shares.contains(name);
    if (!has_shares && !even_only.contains(name)) {
      return wrong(text, quoted(factor) + " is no factor; they are dp, pp, sp, cp, ep and tp with a number or shares");
    }
    if (seen.find(name) != std::string::npos) return wrong(text, std::string(name) + " stands there twice");
    seen.append(name).push_back(' ');
    std::vector<std::uint32_t> shares = parse_shares(factor.substr(2));
    if (shares.empty()) {
      return wrong(text, quoted(factor) + " needs a number or shares from 1 to " + std::to_string(largest_share) +
                             ", as in tp2 or tp2:1");
    }
    if (!has_shares && factor.find(':') != std::string_view::npos) {
      return wrong(text, "dp, sp, cp and ep take no uneven shares; write " +
                             quoted(std::string(name) + std::to_string(shares.size())));
    }
    if (has_shares) {
      *in_shares.at(name) = std::move(shares);
    } else {
      *even_only.at(name) = static_cast<std::uint32_t>(shares.size());
    }
  }
  if (plan.sp > 1 && plan.cp > 1) {
    return wrong(text, "sp and cp both share out rows; one of them would work");
  }
  if (plan.nodes() > most_nodes) {
    return wrong(text, too_many_nodes());
  }
  return plan;
}

std::string to_string(const Plan& plan) {
  std::string text;
  const auto append = [&](const std::string& factor) {
    if (!factor.empty()) text += (text.empty() ? "" : ".") + factor;
  };
  append(factor_name("dp", plan.dp));
  append(factor_name("pp", plan.pp));
  append(factor_name("sp", plan.sp));
  append(factor_name("cp", plan.cp));
  append(factor_name("ep", plan.ep));
  append(factor_name("tp", plan.tp));
  return text.empty() ? "tp1" : text;
}

std::vector<Plan> enumerate_plans(std::uint32_t ranks, const PlanLimits& limits) {
  std::vector<Plan> plans;
  const auto fits = [&](const Plan& plan) {
    return plan.ranks() <= ranks && plan.nodes() <= most_nodes && plan.stage_ranks() <= limits.vocabulary_parts;
  };
  // Ranks only grow from one degree to the next, so the first that does not fit is the last.
  Plan plan;
  for (plan.dp = 1; fits(plan); ++plan.dp) {
    const auto with_experts = [&] {
      for (plan.ep = 1; fits(plan) && plan.ep <= std::max(limits.experts, 1U); ++plan.ep) {
        add_products(plans, plan, limits, fits);
      }
      plan.ep = 1;
    };
    for (plan.sp = 1; fits(plan); ++plan.sp) with_experts();
    plan.sp = 1;
    for (plan.cp = 2; fits(plan); ++plan.cp) with_experts();
    plan.cp = 1;
  }
  return plans;
}

std::vector<Range> split_by_shares(std::uint32_t units, const std::vector<std::uint32_t>& shares) {
  const auto total = std::accumulate(shares.begin(), shares.end(), std::uint64_t{0});
  const std::size_t n = shares.size();
  std::vector<std::uint32_t> sizes(n);
  std::vector<std::uint64_t> remainders(n);
  std::uint32_t given = 0;
  for (std::size_t i = 0; i < n; ++i) {
    sizes[i] = static_cast<std::uint32_t>(std::uint64_t{units} * shares[i] / total);
    remainders[i] = std::uint64_t{units} * shares[i] % total;
    given += sizes[i];
  }
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return remainders[a] > remainders[b]; });
  for (std::size_t i = 0; given < units; ++i, ++given) ++sizes[order[i]];
  for (std::uint32_t& size : sizes) {
    if (size == 0) {
      --*std::max_element(sizes.begin(), sizes.end());
      size = 1;
    }
  }
  std::vector<Range> ranges;
  std::uint32_t first = 0;
  for (const std::uint32_t size : sizes) {
    ranges.push_back({first, first + size});
    first += size;
  }
  return ranges;
}

std::vector<Range> balance_stages(std::uint32_t layers, std::size_t stages, StageCosts costs) {
  // best[l]: the smallest possible dearest stage of the layers before l in the stages so far; from[s][l]: where its
  // last begins.
  const auto cost = [&](std::uint32_t first, std::uint32_t last) {
    return costs.layer * (last - first) + (last == layers ? costs.head : 0.0);
  };
  std::vector<double> best(layers + 1);
  for (std::uint32_t l = 1; l <= layers; ++l) best[l] = cost(0, l);
  std::vector<std::vector<std::uint32_t>> from(stages, std::vector<std::uint32_t>(layers + 1, 0));
  for (std::size_t s = 1; s < stages; ++s) {
    std::vector<double> next(layers + 1, 1e300);
    for (auto l = static_cast<std::uint32_t>(s + 1); l <= layers; ++l) {
      for (auto cut = static_cast<std::uint32_t>(s); cut < l; ++cut) {
        const double dearest = std::max(best[cut], cost(cut, l));
        if (dearest < next[l]) {
          next[l] = dearest;
          from[s][l] = cut;
        }
      }
    }
    best = next;
  }
  std::vector<Range> ranges(stages);
  std::uint32_t last = layers;
  for (std::size_t s = stages; s-- > 0;) {
    ranges[s] = {s == 0 ? 0 : from[s][last], last};
    last = ranges[s].first;
  }
  return ranges;
}

}  // namespace troupe
