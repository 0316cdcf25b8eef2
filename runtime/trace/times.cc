#include "runtime/trace/times.hpp"

#include <algorithm>

namespace troupe::trace {
namespace {

bool is_channel(std::string_view name) {
  return name == receive_tokens || name == receive_hidden || name == receive_logits || name == send_hidden ||
         name == send_logits || name == send_tokens;
}

/// Goes through a row's events as they nest.
class Sweep {
 public:
  Times run(std::vector<Event> events) {
    std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
      if (a.begin != b.begin) return a.begin < b.begin;
      return a.end != b.end ? a.end > b.end : a.kind < b.kind;
    });
    for (const Event& event : events) {
      close_until(event.begin);
      open(event);
    }
    while (!open_.empty()) close();
    return std::move(times_);
  }

 private:
  struct Frame {
    Event event;
    Time inner = 0;                                  ///< of what it holds
    Time waited = 0;                                 ///< of that, waits
    std::vector<Interval> channel_waits{}, waits{};  ///< of the outermost
  };

  void close_until(Time time) {
    while (!open_.empty() && open_.back().event.end <= time) close();
  }

  void open(Event event) {
    if (!open_.empty()) event.end = std::min(event.end, open_.back().event.end);
    open_.push_back({event});
  }

  void close() {
    const Frame frame = std::move(open_.back());
    open_.pop_back();
    const Event& event = frame.event;
    const Time self = event.end - event.begin - frame.inner;
    if (!open_.empty()) open_.back().inner += event.end - event.begin;
    if (event.kind == Kind::wait) {
      close_wait(event, self);
    } else {
      (event.kind == Kind::transfer ? times_.transfer : times_.compute) += self;
      if (event.kind != Kind::step) (event.kind == Kind::transfer ? times_.transfers : times_.ops)[event.name] += self;
      if (event.layer != no_layer) times_.layers[event.layer] += self;
    }
    if (event.kind == Kind::transfer && !is_channel(event.name)) {
      times_.collectives[{event.epoch, event.step}].push_back(frame.waited);
    }
    if (event.kind == Kind::step) ++times_.steps;
    if (open_.empty()) close_outermost(frame);
  }

  /// What holds a wait says what it was for.
  void close_wait(const Event& wait, Time taken) {
    if (open_.empty()) return (void)(times_.waits[static_cast<std::size_t>(WaitFor::team)] += taken);
    Frame& holder = open_.back();
    const std::string_view name = holder.event.name;
    const bool channel = is_channel(name) || name == "broadcast";
    const WaitFor what = channel                               ? WaitFor::channel
                         : holder.event.kind == Kind::transfer ? WaitFor::ranks
                                                               : WaitFor::team;
    times_.waits[static_cast<std::size_t>(what)] += taken;
    holder.waited += taken;
    open_.front().waits.push_back({wait.begin, wait.end});
    if (channel) open_.front().channel_waits.push_back({wait.begin, wait.end});
    if (!channel && holder.event.layer != no_layer) times_.layers[holder.event.layer] += taken;
  }

  static void append_without(const Event& whole, const std::vector<Interval>& holes, std::vector<Interval>& to) {
    Time begin = whole.begin;
    for (const Interval& hole : holes) {
      if (hole.begin > begin) to.push_back({begin, hole.begin});
      begin = hole.end;
    }
    if (whole.end > begin) to.push_back({begin, whole.end});
  }

  void close_outermost(const Frame& frame) {
    times_.covered += frame.event.end - frame.event.begin;
    if (frame.event.kind == Kind::wait) return;
    append_without(frame.event, frame.channel_waits, times_.busy);
    append_without(frame.event, frame.waits, times_.computing);
  }

  std::vector<Frame> open_;
  Times times_;
};

}  // namespace

Times times_of(const Row& row, Time start) {
  std::vector<Event> events;
  for (Event event : row.events) {
    event.begin = std::max(event.begin, start);
    if (event.end > event.begin || (event.kind == Kind::step && event.end == event.begin)) events.push_back(event);
  }
  return Sweep().run(std::move(events));
}

Time time_at_depth(const std::vector<Interval>& intervals, std::size_t depth) {
  std::vector<std::pair<Time, int>> edges;
  for (const Interval& interval : intervals) {
    edges.emplace_back(interval.begin, 1);
    edges.emplace_back(interval.end, -1);
  }
  std::sort(edges.begin(), edges.end());
  Time time = 0, before = 0;
  std::ptrdiff_t open = 0;
  for (const auto& [at, change] : edges) {
    if (open >= static_cast<std::ptrdiff_t>(depth)) time += at - before;
    before = at;
    open += change;
  }
  return time;
}

}  // namespace troupe::trace
