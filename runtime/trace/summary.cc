#include "runtime/trace/summary.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>

#include "runtime/plan/plan.hpp"
#include "runtime/trace/times.hpp"

namespace troupe::trace {
namespace {

constexpr double second = 1e9;

/// The window that all rows tell of.
Interval window_of(const Recording& recording) {
  Time begin = std::numeric_limits<Time>::max(), end = 0, since = 0;
  for (const Row& row : recording.rows) {
    Time first_end = std::numeric_limits<Time>::max();
    for (const Event& event : row.events) {
      begin = std::min(begin, event.begin);
      end = std::max(end, event.end);
      first_end = std::min(first_end, event.end);
    }
    if (row.overwritten > 0 && !row.events.empty()) since = std::max(since, first_end);
  }
  begin = std::max(begin, since);
  return begin < end ? Interval{begin, end} : Interval{0, 0};
}

/// An actor with the times of its threads, its executor's first.
struct Measured {
  const Actor* actor;
  std::vector<Times> threads;
  [[nodiscard]] const Times& first() const { return threads.front(); }
  [[nodiscard]] double compute() const {
    double sum = 0;
    for (const Times& times : threads) sum += static_cast<double>(times.compute);
    return sum;
  }
  [[nodiscard]] Time busy() const {
    Time sum = 0;
    for (const Interval& interval : first().busy) sum += interval.end - interval.begin;
    return sum;
  }
  /// Nanoseconds of a step.
  [[nodiscard]] double step() const {
    return first().steps == 0 ? 0 : static_cast<double>(busy()) / static_cast<double>(first().steps);
  }
};
using Ranks = std::vector<const Measured*>;

template <class Number>
double mean(const Ranks& ranks, const Number& number) {
  double sum = 0;
  for (const Measured* rank : ranks) sum += static_cast<double>(number(*rank));
  return sum / static_cast<double>(ranks.size());
}

/// What the names of all have in common, up to a point: "r0.s0" of r0.s0.t0 and r0.s0.t1.
std::string common_name(const Ranks& ranks) {
  std::string common = ranks[0]->actor->name;
  for (const Measured* rank : ranks) {
    const auto& name = rank->actor->name;
    const auto end = std::mismatch(common.begin(), common.end(), name.begin(), name.end()).first;
    common.erase(end, common.end());
  }
  const std::size_t point = common.rfind('.');
  return ranks.size() < 2 || point == common.npos ? ranks[0]->actor->name : common.substr(0, point);
}

/// Who held up the others, and for how long.
void find_straggler(const Ranks& ranks, GroupSummary& group, double window) {
  std::vector<Time> caused(ranks.size());
  for (const auto& [step, waits] : ranks[0]->first().collectives) {
    std::vector<const std::vector<Time>*> all;
    for (const Measured* rank : ranks) {
      const auto found = rank->first().collectives.find(step);
      if (found != rank->first().collectives.end() && found->second.size() == waits.size())
        all.push_back(&found->second);
    }
    if (all.size() < ranks.size()) continue;  // one of them has lost some
    for (std::size_t i = 0; i < waits.size(); ++i) {
      const auto shorter = [i](const auto* a, const auto* b) { return (*a)[i] < (*b)[i]; };
      const auto last = std::min_element(all.begin(), all.end(), shorter);
      for (const auto* one : all) caused[static_cast<std::size_t>(last - all.begin())] += (*one)[i] - (**last)[i];
    }
  }
  const auto worst = std::max_element(caused.begin(), caused.end());
  const Measured& straggler = *ranks[static_cast<std::size_t>(worst - caused.begin())];
  group.straggler = straggler.actor->name;
  group.waited = static_cast<double>(*worst) / static_cast<double>(ranks.size() - 1) / window;
  Ranks others = ranks;
  std::erase(others, &straggler);
  const double theirs = mean(others, [](const Measured& one) { return one.compute(); });
  group.slower = theirs > 0 ? straggler.compute() / theirs : 0;
  double most = 0;
  for (const auto& [name, time] : straggler.first().ops) {
    const auto of = [&, op = name](const Measured& one) {
      const auto found = one.first().ops.find(op);
      return found == one.first().ops.end() ? Time{0} : found->second;
    };
    const double expected = mean(others, of), more = static_cast<double>(time) - expected;
    if (more <= most) continue;
    most = more;
    group.op = name;
    group.op_slower = expected > 0 ? static_cast<double>(time) / expected : 0;
  }
}

/// Leaves as the measured times would share them out, where tp alone does.
std::vector<std::uint32_t> better_shares(const Ranks& ranks) {
  std::vector<std::uint32_t> leaves, shares, better;
  const double all = mean(ranks, [](const Measured& one) { return one.compute(); });
  for (const Measured* rank : ranks) {
    if (rank->actor->others != 1 || rank->actor->leaves == 0 || rank->compute() <= 0) return {};
    leaves.push_back(rank->actor->leaves);
    const double wanted = rank->actor->leaves * all / rank->compute();
    shares.push_back(static_cast<std::uint32_t>(std::clamp(wanted * 1000, 1.0, 1e6)));
  }
  const std::uint32_t units = std::accumulate(leaves.begin(), leaves.end(), 0U);
  for (const Range& part : split_by_shares(units, shares)) better.push_back(part.size());
  return better == leaves ? std::vector<std::uint32_t>() : better;
}

GroupSummary summary_of_group(const Ranks& ranks, double window) {
  GroupSummary group;
  group.stage = common_name(ranks);
  double most = 0;
  for (const Measured* rank : ranks) most = std::max(most, rank->compute());
  const double all = mean(ranks, [](const Measured& one) { return one.compute(); });
  group.imbalance = all > 0 ? most / all - 1 : 0;
  find_straggler(ranks, group, window);
  group.better = better_shares(ranks);
  return group;
}

/// Of each of a stage's layers nanoseconds of a step, and what is left of a step beside them.
double layer_costs(const Ranks& ranks, std::vector<double>& costs) {
  double rest = mean(ranks, [](const Measured& one) { return one.step(); });
  const Range layers = ranks[0]->actor->layers;
  for (std::uint32_t layer = layers.first; layer < layers.last; ++layer) {
    costs.push_back(mean(ranks, [layer](const Measured& one) {
      const auto found = one.first().layers.find(layer);
      const bool there = found != one.first().layers.end() && one.first().steps > 0;
      return there ? static_cast<double>(found->second) / static_cast<double>(one.first().steps) : 0;
    }));
    rest -= costs.back();
  }
  return std::max(rest, 0.0);
}

void find_better_stages(const std::map<std::uint32_t, Ranks>& stages, PipelineSummary& pipeline) {
  std::vector<double> layers, fixed;
  std::vector<std::uint32_t> now;
  double worst = 0;
  for (const PipelineSummary::Stage& stage : pipeline.stages) worst = std::max(worst, stage.step);
  for (const auto& [number, ranks] : stages) {
    fixed.push_back(layer_costs(ranks, layers));
    now.push_back(ranks[0]->actor->layers.size());
    if (ranks[0]->first().steps == 0) return;
  }
  const std::vector<std::uint32_t> better = balanced(layers, fixed);
  double longest = 0;
  auto layer = layers.begin();
  for (std::size_t stage = 0; stage < better.size(); ++stage) {
    longest = std::max(longest, std::accumulate(layer, layer + better[stage], fixed[stage]));
    layer += better[stage];
  }
  constexpr double worth_it = 0.97;
  if (better == now || longest / second > worst * worth_it) return;
  pipeline.better = better;
  pipeline.better_step = longest / second;
}

PipelineSummary summary_of_pipeline(const std::map<std::uint32_t, Ranks>& stages, double window) {
  PipelineSummary pipeline;
  Ranks all;
  std::vector<Interval> busy;
  double sum = 0;
  for (const auto& [number, ranks] : stages) {
    all.insert(all.end(), ranks.begin(), ranks.end());
    for (const Measured* rank : ranks) busy.insert(busy.end(), rank->first().busy.begin(), rank->first().busy.end());
    const double worked = mean(ranks, [](const Measured& one) { return one.busy(); });
    sum += worked;
    pipeline.stages.push_back({ranks[0]->actor->layers.size(),
                               mean(ranks, [](const Measured& one) { return one.step(); }) / second,
                               std::max(0.0, 1 - worked / window)});
  }
  pipeline.replica = common_name(all);
  const auto active = static_cast<double>(time_at_depth(busy, 1));
  pipeline.under_way = active > 0 ? sum / active : 0;
  pipeline.bubble = active > 0 ? std::max(0.0, 1 - pipeline.under_way / static_cast<double>(stages.size())) : 0;
  find_better_stages(stages, pipeline);
  return pipeline;
}

ActorSummary summary_of_actor(const Measured& measured, double window) {
  ActorSummary summary{.name = measured.actor->name,
                       .threads = static_cast<std::uint32_t>(measured.threads.size()),
                       .steps = measured.first().steps,
                       .step = measured.step() / second,
                       .is_shard = measured.actor->layers.size() > 0};
  const double all = window * summary.threads;
  double covered = 0;
  for (const Times& times : measured.threads) {
    summary.shares.compute += static_cast<double>(times.compute) / all;
    summary.shares.transfer += static_cast<double>(times.transfer) / all;
    summary.shares.wait += static_cast<double>(times.waited()) / all;
    summary.team_wait += static_cast<double>(times.waits[static_cast<std::size_t>(WaitFor::team)]) / all;
    covered += static_cast<double>(times.covered) / all;
  }
  summary.shares.idle = std::max(0.0, 1 - covered);
  if (const auto found = measured.first().ops.find(sample); found != measured.first().ops.end()) {
    summary.sampling = static_cast<double>(found->second) / window;
  }
  return summary;
}

std::vector<OpSummary> greatest_ops(const std::vector<Measured>& actors) {
  std::map<std::string_view, Time> ops;
  Time all = 0;
  for (const Measured& measured : actors) {
    for (const Times& times : measured.threads) {
      for (const auto& [name, time] : times.ops) ops[name] += time;
      for (const auto& [name, time] : times.transfers) ops[name] += time;
      all += times.compute + times.transfer;
    }
  }
  std::vector<OpSummary> greatest;
  for (const auto& [name, time] : ops) {
    greatest.push_back({std::string(name), static_cast<double>(time) / static_cast<double>(std::max<Time>(all, 1))});
  }
  std::sort(greatest.begin(), greatest.end(), [](const auto& a, const auto& b) { return a.share > b.share; });
  constexpr std::size_t most = 5;
  greatest.resize(std::min(greatest.size(), most));
  return greatest;
}

std::vector<Measured> measure(const Recording& recording, Interval window) {
  std::vector<Measured> actors;
  for (std::size_t number = 0; number < recording.actors.size(); ++number) {
    std::map<std::uint32_t, Times> threads;
    for (const Row& row : recording.rows) {
      if (row.actor == number) threads.emplace(row.thread, times_of(row, window.begin));
    }
    if (threads.empty()) continue;
    Measured& measured = actors.emplace_back(Measured{&recording.actors[number], {}});
    for (auto& [thread, times] : threads) measured.threads.push_back(std::move(times));
  }
  return actors;
}

}  // namespace

// The least bound that holds is found by halving; whether one holds, by giving each stage as many layers as go in.
std::vector<std::uint32_t> balanced(const std::vector<double>& layers, const std::vector<double>& fixed) {
  const auto fill = [&](double bound, std::vector<std::uint32_t>& counts) {
    std::size_t next = 0;
    counts.assign(fixed.size(), 0);
    for (std::size_t stage = 0; stage < fixed.size(); ++stage) {
      const std::size_t needed_behind = fixed.size() - stage - 1;
      double cost = fixed[stage];
      while (next + needed_behind < layers.size() && (counts[stage] == 0 || cost + layers[next] <= bound)) {
        cost += layers[next++];
        ++counts[stage];
      }
      if (cost > bound) return false;
    }
    return next == layers.size();
  };
  double least = 0,
         most = std::accumulate(layers.begin(), layers.end(), 0.0) + std::accumulate(fixed.begin(), fixed.end(), 0.0);
  std::vector<std::uint32_t> best, counts;
  (void)fill(most, best);
  constexpr int halvings = 60;
  for (int i = 0; i < halvings; ++i) {
    const double bound = (least + most) / 2;
    if (fill(bound, counts)) {
      most = bound;
      best = counts;
    } else {
      least = bound;
    }
  }
  return best;
}

Summary summarize(const Recording& recording) {
  const Interval window = window_of(recording);
  const auto length = static_cast<double>(std::max<Time>(window.end - window.begin, 1));
  Summary summary{.seconds = length / second};
  for (const Row& row : recording.rows) {
    summary.events += row.events.size();
    summary.overwritten += row.overwritten;
  }
  const std::vector<Measured> actors = measure(recording, window);
  std::map<std::uint64_t, std::map<std::uint32_t, Ranks>> replicas;  // of shards, by epoch and stage
  std::map<std::uint64_t, std::uint64_t> steps;
  std::vector<Interval> computing;
  for (const Measured& measured : actors) {
    const Actor& actor = *measured.actor;
    summary.actors.push_back(summary_of_actor(measured, length));
    steps[actor.epoch] = std::max(steps[actor.epoch], measured.first().steps);
    const auto& intervals = measured.first().computing;
    computing.insert(computing.end(), intervals.begin(), intervals.end());
    if (actor.layers.size() > 0) replicas[actor.epoch][actor.stage].push_back(&measured);
  }
  for (const auto& [epoch, count] : steps) summary.steps += count;
  const auto one = static_cast<double>(time_at_depth(computing, 1));
  summary.overlap = one > 0 ? static_cast<double>(time_at_depth(computing, 2)) / one : 0;
  for (const auto& [epoch, stages] : replicas) {
    if (stages.size() > 1) summary.pipelines.push_back(summary_of_pipeline(stages, length));
    for (const auto& [number, ranks] : stages) {
      if (ranks.size() > 1) summary.groups.push_back(summary_of_group(ranks, length));
    }
  }
  summary.ops = greatest_ops(actors);
  return summary;
}

}  // namespace troupe::trace
