#include <algorithm>
#include <functional>

#include "runtime/trace/percent.hpp"
#include "runtime/trace/summary.hpp"

namespace troupe::trace {
namespace {

/// What could be better: how much of the time it costs, and what to do.
struct Remark {
  double cost;
  std::string text;
};

/// "pp17:13"
std::string factor(const char* name, const std::vector<std::uint32_t>& shares) {
  std::string text = name;
  for (const std::uint32_t& share : shares) text += (&share == shares.data() ? "" : ":") + std::to_string(share);
  return text;
}

/// Equal shares of pp mean "balanced by cost": where the very same number of layers is meant, they differ by what is
/// rounded away.
std::string stages_factor(std::vector<std::uint32_t> layers) {
  if (std::all_of(layers.begin(), layers.end(), [&](std::uint32_t count) { return count == layers[0]; })) {
    for (std::uint32_t& count : layers) count *= 10;
    ++layers.back();
  }
  return factor("pp", layers);
}

Remark of_pipeline(const PipelineSummary& pipeline) {
  const auto& stages = pipeline.stages;
  const auto number = [&](const auto& found) { return std::to_string(found - stages.begin()); };
  const auto waits = std::max_element(stages.begin(), stages.end(), [](auto& a, auto& b) { return a.wait < b.wait; });
  const auto slow = std::max_element(stages.begin(), stages.end(), [](auto& a, auto& b) { return a.step < b.step; });
  double sum = 0;
  for (const auto& stage : stages) sum += stage.step;
  const double possible = slow->step > 0 ? sum / slow->step : 1;  // stages at work at once, where the slowest always is
  const std::string who = "stage " + number(waits) + " of " + pipeline.replica + " waits " + percent(waits->wait);
  if (pipeline.under_way < (1 + possible) / 2) {
    return {pipeline.bubble, who +
                                 ", for few micro-batches are under way at once: run more sequences at once "
                                 "(--parallel), or take pp out of the plan"};
  }
  const std::string whom = waits == slow ? "" : " for stage " + number(slow);
  if (pipeline.better.empty()) {
    return {pipeline.bubble,
            who + whom + ", though no other cut of the layers would be better: take pp out of the plan"};
  }
  return {pipeline.bubble, who + whom + ": try " + stages_factor(pipeline.better) +
                               ", by which the longest stage takes " + milliseconds(pipeline.better_step) +
                               " instead of " + milliseconds(slow->step)};
}

Remark of_group(const GroupSummary& group) {
  constexpr double like_others = 1.05;
  if (group.slower < like_others) {
    return {group.waited, "the ranks of " + group.stage + " wait " + percent(group.waited) +
                              " and more for each other, though none computes longer: they have fewer cores than "
                              "threads, or other programs take them"};
  }
  std::string text = "the other ranks of " + group.stage + " wait " + percent(group.waited) + " for " + group.straggler;
  if (!group.op.empty()) text += ", most over " + group.op;
  if (!group.better.empty()) return {group.waited, text + ": try " + factor("tp", group.better)};
  return {group.waited, text + ": let it have its cores alone, or give it a smaller share"};
}

double mean_of_shards(const Summary& summary, const std::function<double(const ActorSummary&)>& what) {
  double sum = 0, count = 0;
  for (const ActorSummary& actor : summary.actors) {
    if (!actor.is_shard) continue;
    sum += what(actor);
    ++count;
  }
  return count > 0 ? sum / count : 0;
}

}  // namespace

std::string advice(const Summary& summary) {
  std::vector<Remark> remarks;
  for (const PipelineSummary& pipeline : summary.pipelines) remarks.push_back(of_pipeline(pipeline));
  for (const GroupSummary& group : summary.groups) remarks.push_back(of_group(group));
  const double transfer = mean_of_shards(summary, [](const auto& actor) { return actor.shares.transfer; });
  remarks.push_back({transfer, "transfers take " + percent(transfer) +
                                   " of the shards' time: run more sequences at once (--parallel), or fewer ranks"});
  const double team = mean_of_shards(summary, [](const auto& actor) { return actor.team_wait; });
  remarks.push_back({team, "the threads of a shard wait " + percent(team) +
                               " of their time for each other: give each fewer threads (-t), and the plan more ranks"});
  const double idle = mean_of_shards(summary, [](const auto& actor) { return actor.shares.idle; });
  remarks.push_back({idle, "the shards have nothing to do in " + percent(idle) +
                               " of the time: more requests at once would fill it"});
  const auto worst = std::max_element(remarks.begin(), remarks.end(), [](auto& a, auto& b) { return a.cost < b.cost; });
  constexpr double worth_saying = 0.05;
  if (worst->cost >= worth_saying) return worst->text;
  const std::string most = summary.ops.empty() ? "" : ", most of it " + summary.ops[0].name;
  return "nothing of the plan: " + percent(mean_of_shards(summary, [](const auto& a) { return a.shares.compute; })) +
         " of the shards' time is compute" + most;
}

}  // namespace troupe::trace
