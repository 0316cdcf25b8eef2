#include <catch2/catch.hpp>
#include <thread>

#include "runtime/trace/ring.hpp"
#include "runtime/trace/summary.hpp"
#include "runtime/trace/times.hpp"
#include "runtime/trace/trace.hpp"
#include "tests/runtime/trace_fixture.hpp"

namespace troupe::testing {
namespace {

using namespace trace;
using Catch::Matchers::Contains;

Event numbered(std::uint64_t number) {
  return {.name = "op",
          .kind = Kind::transfer,
          .begin = static_cast<Time>(number),
          .end = static_cast<Time>(number + 1),
          .layer = static_cast<std::uint32_t>(number % 100),
          .step = number,
          .epoch = 7,
          .rows = 3,
          .sequences = 2};
}

TEST_CASE("a ring keeps the latest events, and counts those before them") {
  Ring ring(8);
  std::uint64_t overwritten = 1;
  CHECK(ring.read(overwritten).empty());
  CHECK(overwritten == 0);
  for (std::uint64_t i = 0; i < 5; ++i) ring.push(numbered(i));
  CHECK(ring.read(overwritten).size() == 5);
  CHECK(overwritten == 0);
  for (std::uint64_t i = 5; i < 20; ++i) ring.push(numbered(i));
  const auto events = ring.read(overwritten);
  CHECK(events.size() == 7);
  CHECK(overwritten == 13);
  for (std::size_t i = 0; i < events.size(); ++i) {
    const Event wanted = numbered(overwritten + i);
    CHECK(events[i].name == std::string("op"));
    CHECK(events[i].kind == Kind::transfer);
    CHECK(events[i].begin == wanted.begin);
    CHECK(events[i].end == wanted.end);
    CHECK(events[i].layer == wanted.layer);
    CHECK(events[i].step == wanted.step);
    CHECK(events[i].epoch == 7);
    CHECK(events[i].rows == 3);
    CHECK(events[i].sequences == 2);
  }
}

TEST_CASE("a ring that is read while it is written gives whole events, in order") {
  Ring ring(64);
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < 200000; ++i) ring.push(numbered(i));
    done = true;
  });
  std::size_t torn = 0;
  while (!done) {
    std::uint64_t number = 0;
    for (const Event& event : ring.read(number)) {
      const bool whole =
          event.step == number && event.begin == static_cast<Time>(number) && event.end == event.begin + 1;
      torn += whole ? 0 : 1;
      ++number;
    }
  }
  writer.join();
  CHECK(torn == 0);
}

TEST_CASE("an actor that comes back goes on in its tracks, and those that have ended are bounded") {
  Trace all(16);
  auto first = all.add({.name = "a"}, 0);
  first->add("op", Kind::compute, 1, 2);
  auto beside = all.add({.name = "a"}, 0);
  CHECK(beside != first);
  first.reset();
  auto again = all.add({.name = "a", .epoch = 2}, 0);
  again->add("op", Kind::compute, 3, 4);
  const Recording recording = all.read();
  REQUIRE(recording.rows.size() == 2);
  CHECK(recording.rows[0].events.size() == 2);
  CHECK(recording.actors[recording.rows[0].actor].epoch == 2);
  for (std::uint32_t i = 0; i < 2000; ++i) (void)all.add({.name = std::to_string(i)}, 0);
  CHECK(all.read().rows.size() == 1024);
}

TEST_CASE("an actor's time is compute, transfer, wait or idle, each nanosecond once") {
  HandWritten hand;
  hand.actor("r0.s0.t0", 0, {0, 1});
  hand.step(1, 0, 100).op("matmul", 10, 50, 0).transfer(receive_tokens, 50, 80).wait(60, 80).op("norm", 80, 100, 0);
  hand.step(2, 150, 200).op("matmul", 150, 200, 0).transfer("all_gather", 160, 180).wait(160, 170).wait(190, 200);
  const Times times = times_of(hand.recording.rows[0], 0);
  CHECK(times.steps == 2);
  CHECK(times.compute == (70 + 20) * 1000);
  CHECK(times.transfer == (10 + 10) * 1000);
  CHECK(times.waits[static_cast<int>(WaitFor::channel)] == 20000);
  CHECK(times.waits[static_cast<int>(WaitFor::ranks)] == 10000);
  CHECK(times.waits[static_cast<int>(WaitFor::team)] == 10000);
  CHECK(times.covered == 150000);
  CHECK(times.ops.at("matmul") == 60000);
  CHECK(times.transfers.at("all_gather") == 10000);
  CHECK(times.layers.at(0) == (40 + 20 + 20 + 10 /* the team */) * 1000);
  const Summary summary = summarize(hand.recording);
  CHECK(summary.actors[0].shares.compute == Approx(0.45));
  CHECK(summary.actors[0].shares.transfer == Approx(0.1));
  CHECK(summary.actors[0].shares.wait == Approx(0.2));
  CHECK(summary.actors[0].shares.idle == Approx(0.25));
  CHECK_THAT(advice(summary), Contains("nothing to do in 25 %"));
  CHECK(summary.overlap == 0);
}

TEST_CASE("of rows that have lost events only the time that all tell of counts") {
  HandWritten hand;
  hand.actor("a", 0, {0, 1}).step(1, 0, 100).step(2, 100, 200);
  hand.actor("b", 0, {0, 1}).step(2, 100, 200);
  hand.recording.rows[1].overwritten = 5;
  hand.recording.rows[1].events[0].end = 150000;
  hand.step(3, 150, 200);
  const Summary summary = summarize(hand.recording);
  CHECK(summary.seconds == Approx(50e-6));
  CHECK(summary.overwritten == 5);
  CHECK(summary.actors[0].shares.compute == Approx(1));
}

TEST_CASE("how long so many run at once") {
  const std::vector<Interval> intervals{{0, 10}, {5, 15}, {15, 20}, {30, 40}, {30, 35}};
  CHECK(time_at_depth(intervals, 1) == 30);
  CHECK(time_at_depth(intervals, 2) == 10);
  CHECK(time_at_depth(intervals, 3) == 0);
}

TEST_CASE("a stage that waits for one with more layers is told how to cut them") {
  const Summary summary = summarize(uneven_pipeline().recording);
  REQUIRE(summary.pipelines.size() == 1);
  const PipelineSummary& pipeline = summary.pipelines[0];
  CHECK(pipeline.replica == "r0");
  CHECK(pipeline.stages[0].step == Approx(200e-6));
  CHECK(pipeline.stages[1].step == Approx(100e-6));
  CHECK(pipeline.bubble == Approx(0.2625));  // the second stage has half the work, of all steps but one
  CHECK(pipeline.better == std::vector<std::uint32_t>{15, 15});
  CHECK(pipeline.better_step == Approx(150e-6));
  CHECK(summary.overlap == Approx(0.475));
  CHECK_THAT(to_string(summary), Contains("\nto change: stage 1 of r0 waits 52 % for stage 0: try pp150:151"));
}

TEST_CASE("one micro-batch at a time wants more sequences, not another cut") {
  HandWritten hand;
  hand.actor("r0.s0.t0", 0, {0, 20});
  for (std::uint32_t step = 0; step < 10; ++step) hand.step(step + 1, step * 300, step * 300 + 200);
  hand.actor("r0.s1.t0", 1, {20, 30});
  for (std::uint32_t step = 0; step < 10; ++step) hand.step(step + 1, step * 300 + 200, step * 300 + 300);
  const Summary summary = summarize(hand.recording);
  CHECK(summary.pipelines[0].bubble == Approx(0.5));
  CHECK_THAT(advice(summary), Contains("--parallel"));
}

TEST_CASE("who the ranks of a group wait for, and over which op") {
  HandWritten hand;
  for (std::uint32_t rank = 0; rank < 2; ++rank) {
    hand.actor("r0.s0.t" + std::to_string(rank), 0, {0, 1}, rank, 2, 4);
    for (std::uint32_t step = 0; step < 10; ++step) {
      const Time begin = step * 100, gate = rank == 0 ? 20 : 60;
      hand.step(step + 1, begin, begin + 100).op("matmul", begin, begin + 20, 0);
      hand.op("silu_gate", begin + 20, begin + 20 + gate, 0).transfer("all_reduce", begin + 20 + gate, begin + 100);
      if (rank == 0) hand.wait(begin + 40, begin + 80);
    }
  }
  const Summary summary = summarize(hand.recording);
  REQUIRE(summary.groups.size() == 1);
  const GroupSummary& group = summary.groups[0];
  CHECK(group.stage == "r0.s0");
  CHECK(group.straggler == "r0.s0.t1");
  CHECK(group.waited == Approx(0.4));
  CHECK(group.op == "silu_gate");
  CHECK(group.op_slower == Approx(3));
  CHECK(group.slower == Approx(2));
  CHECK(group.imbalance == Approx(1.0 / 3));
  CHECK(group.better == std::vector<std::uint32_t>{5, 3});
  CHECK_THAT(advice(summary), Contains("wait 40 % for r0.s0.t1, most over silu_gate: try tp5:3"));
}

TEST_CASE("layers are cut so that the dearest stage is cheapest") {
  using Counts = std::vector<std::uint32_t>;
  CHECK(balanced(std::vector<double>(30, 1.0), {0, 0}) == Counts{15, 15});
  CHECK(balanced(std::vector<double>(30, 1.0), {0, 6}) == Counts{18, 12});
  CHECK(balanced({5, 1, 1, 1}, {0, 0}) == Counts{1, 3});
  CHECK(balanced({1, 1, 1}, {100, 0, 0}) == Counts{1, 1, 1});
  CHECK(balanced({0, 0, 0, 0}, {0, 0, 0}).size() == 3);
}

}  // namespace
}  // namespace troupe::testing
