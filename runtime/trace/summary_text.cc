#include <algorithm>
#include <vector>

#include "runtime/trace/chrome_reader.hpp"
#include "runtime/trace/percent.hpp"
#include "runtime/trace/summary.hpp"
#include "troupe/trace.hpp"

namespace troupe {
namespace trace {
namespace {

/// Rows in columns, the first to the left.
std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows[0].size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - row[i].size(), ' ');
      text += i == 0 ? row[i] + space : "  " + space + row[i];
    }
    text += '\n';
  }
  return text;
}

std::string table_of(const std::vector<ActorSummary>& actors) {
  std::vector<std::vector<std::string>> rows{
      {"actor", "threads", "steps", "compute", "transfer", "wait", "idle", "ms a step", "sampling"}};
  for (const ActorSummary& actor : actors) {
    const Shares& shares = actor.shares;
    rows.push_back({actor.name, std::to_string(actor.threads), std::to_string(actor.steps), percent(shares.compute, 1),
                    percent(shares.transfer, 1), percent(shares.wait, 1), percent(shares.idle, 1),
                    fixed(actor.step * 1e3, 3), actor.sampling > 0 ? percent(actor.sampling, 1) : "-"});
  }
  return table(rows);
}

std::string line_of(const PipelineSummary& pipeline) {
  std::string text = "pipeline " + pipeline.replica + ": ";
  for (const auto& stage : pipeline.stages) {
    text += (&stage == pipeline.stages.data() ? "" : ", ") + std::string("stage ") +
            std::to_string(&stage - pipeline.stages.data()) + " of " + std::to_string(stage.layers) + " layers takes " +
            milliseconds(stage.step) + " a step and waits " + percent(stage.wait);
  }
  return text + "; bubble " + percent(pipeline.bubble) + "\n";
}

std::string line_of(const GroupSummary& group) {
  std::string text = "ranks of " + group.stage + ": imbalance " + percent(group.imbalance, 1) + "; the others wait " +
                     percent(group.waited, 1) + " for " + group.straggler + ", which computes " +
                     fixed(group.slower, 2) + " times as long as they do";
  if (!group.op.empty()) {
    text += ", and loses most in " + group.op;
    if (group.op_slower > 0) text += " (" + fixed(group.op_slower, 2) + " times theirs)";
  }
  return text + "\n";
}

}  // namespace

std::string to_string(const Summary& summary) {
  std::string text = fixed(summary.seconds, 3) + " s, " + std::to_string(summary.steps) + " steps, " +
                     std::to_string(summary.events) + " events";
  if (summary.overwritten > 0) {
    text += "; " + std::to_string(summary.overwritten) + " older ones were overwritten, and only the time since counts";
  }
  text += "\n" + table_of(summary.actors);
  if (summary.actors.size() > 1) {
    text += "overlap: at least two actors compute in " + percent(summary.overlap) + " of the time in which one does\n";
  }
  for (const auto& pipeline : summary.pipelines) text += line_of(pipeline);
  for (const auto& group : summary.groups) text += line_of(group);
  text += "ops:";
  for (const OpSummary& op : summary.ops) {
    text += (&op == summary.ops.data() ? " " : ", ") + op.name + " " + percent(op.share, 1);
  }
  return text + "\nto change: " + advice(summary) + "\n";
}

}  // namespace trace

std::string trace_summary(const std::string& path) {
  const auto recording = trace::read(path);
  if (!recording) throw recording.error();
  if (recording->rows.empty()) throw Error(Code::bad_file, path + " tells of no thread");
  return to_string(trace::summarize(*recording));
}

}  // namespace troupe
