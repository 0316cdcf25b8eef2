#pragma once

#include <string>
#include <vector>

#include "runtime/trace/recording.hpp"

namespace troupe::testing {

/// Events written by hand, in microseconds; of actors that each have one thread.
class HandWritten {
 public:
  trace::Recording recording;

  /// The next actor, whose events follow.
  HandWritten& actor(const std::string& name, std::uint32_t stage, Range layers, std::uint32_t rank = 0,
                     std::uint32_t tp = 1, std::uint32_t leaves = 0) {
    recording.actors.push_back({name, "shard", 1, stage, rank, tp, 1, layers, leaves});
    recording.rows.push_back({recording.actors.size() - 1});
    return *this;
  }
  HandWritten& step(std::uint64_t number, trace::Time begin, trace::Time end) {
    step_ = number;
    return add("step", trace::Kind::step, begin, end);
  }
  HandWritten& op(const char* name, trace::Time begin, trace::Time end, std::uint32_t layer = trace::no_layer) {
    return add(name, trace::Kind::compute, begin, end, layer);
  }
  HandWritten& transfer(const char* name, trace::Time begin, trace::Time end) {
    return add(name, trace::Kind::transfer, begin, end);
  }
  HandWritten& wait(trace::Time begin, trace::Time end) { return add("wait", trace::Kind::wait, begin, end); }

 private:
  HandWritten& add(const char* name, trace::Kind kind, trace::Time begin, trace::Time end,
                   std::uint32_t layer = trace::no_layer) {
    recording.rows.back().events.push_back({name, kind, begin * 1000, end * 1000, layer, step_, 1, 1, 1});
    return *this;
  }
  std::uint64_t step_ = 0;
};

/// Two stages of 20 and 10 layers that each take 10 microseconds; each stage has the next step as soon as it can.
inline HandWritten uneven_pipeline() {
  HandWritten hand;
  constexpr std::uint32_t steps = 20;
  hand.actor("r0.s0.t0", 0, {0, 20});
  for (std::uint32_t step = 0; step < steps; ++step) {
    const trace::Time begin = step * 200;
    hand.step(step + 1, begin, begin + 200);
    for (std::uint32_t layer = 0; layer < 20; ++layer)
      hand.op("matmul", begin + layer * 10, begin + layer * 10 + 10, layer);
  }
  hand.actor("r0.s1.t0", 1, {20, 30});
  for (std::uint32_t step = 0; step + 1 < steps; ++step) {
    const trace::Time begin = (step + 1) * 200;
    hand.step(step + 1, begin - 100, begin + 100);
    hand.transfer(trace::receive_hidden, begin - 100, begin).wait(begin - 100, begin);
    for (std::uint32_t i = 0; i < 10; ++i) hand.op("matmul", begin + i * 10, begin + i * 10 + 10, 20 + i);
  }
  return hand;
}

}  // namespace troupe::testing
