#include "runtime/trace/flows.hpp"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

namespace troupe::trace {
namespace {

bool is_sent(const Event& event) {
  const std::string_view name = event.name;
  return name == send_hidden || name == send_logits;
}

bool is_point(const Event& event) {
  const std::string_view name = event.name;
  return is_sent(event) || name == receive_hidden || name == receive_logits || name == sample;
}

}  // namespace

Time FlowPoint::time() const { return is_sent(*event) ? event->begin : std::max(event->begin, event->end - 1); }

std::vector<std::vector<FlowPoint>> flows(const Recording& recording) {
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::vector<FlowPoint>> ways;
  for (std::size_t row = 0; row < recording.rows.size(); ++row) {
    for (const Event& event : recording.rows[row].events) {
      if (is_point(event)) ways[{event.epoch, event.step}].push_back({row, &event});
    }
  }
  const auto earlier = [&](const FlowPoint& a, const FlowPoint& b) {
    const auto stage = [&](const FlowPoint& point) { return recording.actors[recording.rows[point.row].actor].stage; };
    return std::pair(stage(a), a.event->end) < std::pair(stage(b), b.event->end);
  };
  std::vector<std::vector<FlowPoint>> all;
  for (auto& [step, points] : ways) {
    const bool goes_on =
        std::any_of(points.begin(), points.end(), [first = points[0].row](const auto& p) { return p.row != first; });
    if (!goes_on) continue;
    std::sort(points.begin(), points.end(), earlier);
    all.push_back(std::move(points));
  }
  return all;
}

}  // namespace troupe::trace
