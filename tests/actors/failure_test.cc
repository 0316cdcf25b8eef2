#include "tests/actors/stage_door.hpp"
#include "tests/seed.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

constexpr BatchLimits limits{.stages = 2, .rows = 8, .parallel = 4, .context = 200};

}  // namespace

TEST_CASE("a cancelled request ends at once, and frees what it had within a step", "[bad-input]") {
  StageDoor door(first_seed(), limits);
  const SequenceId cancelled = door.submit({.prompt = 10, .max_tokens = 100});
  const SequenceId other = door.submit({.prompt = 10, .max_tokens = 30});
  for (int i = 0; i < 100; ++i) door.turn();
  REQUIRE_FALSE(door.stream(cancelled).over);
  door.stop(cancelled);
  door.run_actors();
  REQUIRE(door.stream(cancelled).over);
  const std::uint32_t rows = door.replicas[0]->rows_of(cancelled);
  door.run();
  CHECK(door.replicas[0]->rows_of(cancelled) <= rows + 4);  // what was under way already
  door.check_failed(cancelled, Code::cancelled);
  door.check_complete(other);
  door.check_clean();
}

TEST_CASE("stopping twice, after the end, or what never was, changes nothing", "[bad-input]") {
  StageDoor door(first_seed(), limits);
  const SequenceId one = door.submit({.prompt = 3, .max_tokens = 3});
  const SequenceId two = door.submit({.prompt = 3, .max_tokens = 3});
  door.stop(two);
  door.stop(two);
  door.stop(999);
  door.run();
  door.stop(one);
  door.stop(two);
  door.run();
  door.check_complete(one);
  door.check_failed(two, Code::cancelled);
  door.check_clean();
}

TEST_CASE("a request is stopped while it waits in the queue", "[bad-input]") {
  StageDoor door(first_seed(), {.stages = 1, .rows = 8, .parallel = 1, .context = 64});
  for (int i = 0; i < 3; ++i) door.submit({.prompt = 2, .max_tokens = 4});
  door.run_actors();
  door.stop(2);
  door.run();
  door.check_complete(1);
  door.check_failed(2, Code::cancelled);
  door.check_complete(3);
  CHECK(door.replicas[0]->rows_of(2) == 0);
  door.check_clean();
}

TEST_CASE("a deadline that passes ends its request, and no other", "[bad-input]") {
  StageDoor door(first_seed(), limits);
  const SequenceId past = door.submit({.prompt = 3, .max_tokens = 50, .deadline = std::chrono::milliseconds(-1000)});
  const SequenceId soon = door.submit({.prompt = 3, .max_tokens = 50, .deadline = std::chrono::minutes(1)});
  const SequenceId late = door.submit({.prompt = 3, .max_tokens = 50, .deadline = std::chrono::hours(2)});
  const SequenceId never = door.submit({.prompt = 3, .max_tokens = 50});
  door.run_actors();
  door.pass_time(std::chrono::milliseconds(1));
  for (int i = 0; i < 100; ++i) door.turn();
  door.check_failed(past, Code::deadline);
  REQUIRE_FALSE(door.stream(soon).over);
  door.pass_time(std::chrono::hours(1));
  door.run();
  door.check_failed(soon, Code::deadline);
  CHECK_THAT(door.stream(soon).why->message(), Contains("deadline"));
  door.check_complete(late);
  door.check_complete(never);
  door.pass_time(std::chrono::hours(2));  // nobody is there any more
  door.run();
  door.check_complete(late);
  door.check_clean();
}

TEST_CASE("a request that ends before its deadline leaves no timer behind", "[bad-input]") {
  StageDoor door(first_seed(), limits);
  for (int hours = 20; hours > 0; --hours)
    door.submit({.prompt = 3, .max_tokens = 2, .deadline = std::chrono::hours(hours)});
  door.run();
  for (SequenceId id = 1; id <= 20; ++id) door.check_complete(id);
  door.pass_time(std::chrono::seconds(2));
  door.run();
  CHECK_FALSE(door.timers());
  door.check_clean();
}

TEST_CASE("a slice that fails ends its request, and no other", "[bad-input]") {
  for (std::uint32_t stage = 0; stage < 2; ++stage) {
    for (const std::uint32_t position : {0U, 5U, 9U, 10U, 15U}) {
      INFO("stage " << stage << ", position " << position);
      StageDoor door(first_seed() + position, limits, 1, 2);
      for (int i = 0; i < 5; ++i) door.submit({.prompt = 10, .max_tokens = 20});
      door.fail_at(3, position, stage);
      door.run();
      for (const SequenceId id : {1, 2, 4, 5}) door.check_complete(id);
      door.check_failed(3, Code::out_of_range);
      CHECK_THAT(door.stream(3).why->message(), Contains("layer 3"));
      door.check_clean();
      door.close();
    }
  }
}

TEST_CASE("fault 5: of several failures of one slice want of memory prevails, else the first stage's", "[bad-input]") {
  const auto why = [](StageDoor& door, SequenceId id) { return door.stream(id).why->message(); };
  for (std::uint32_t seed = first_seed(); seed < first_seed() + 30; ++seed) {
    INFO("seed " << seed);
    StageDoor door(seed, {.stages = 3, .rows = 8, .parallel = 4, .context = 200}, 1, 2);
    for (int i = 0; i < 4; ++i) door.submit({.prompt = 10, .max_tokens = 20});
    for (std::uint32_t stage = 0; stage < 3; ++stage) {
      const Error range(Code::out_of_range, "layer " + std::to_string(stage) + ": too much");
      door.fail_at(1, 5, stage, range);
      door.fail_at(2, 5, stage, stage == 2 ? Error(Code::out_of_memory, "no memory") : range);
      if (stage > 0) door.fail_at(3, 5, stage, range);
    }
    door.run();
    door.check_failed(1, Code::out_of_range);
    CHECK(why(door, 1) == "layer 0: too much");
    door.check_failed(2, Code::out_of_memory);
    door.check_failed(3, Code::out_of_range);
    CHECK(why(door, 3) == "layer 1: too much");
    door.check_complete(4);
    door.check_clean();
    door.close();
  }
}

TEST_CASE("fault 25: when the router or the supervisor dies, every stream ends, those of later requests too",
          "[bad-input]") {
  const bool of_router = GENERATE(true, false);
  for (std::uint32_t seed = first_seed(); seed < first_seed() + 20; ++seed) {
    INFO((of_router ? "the router, seed " : "the supervisor, seed ") << seed);
    StageDoor door(seed, limits, 2);
    const SequenceId early = door.submit({.prompt = 3, .max_tokens = 30});
    while (door.stream(early).tokens.empty()) REQUIRE(door.turn());
    REQUIRE_FALSE(door.stream(early).over);  // in the middle of its text
    if (of_router) door.kill(door.router());
    if (!of_router) door.kill(door.supervisor());
    door.run();
    door.check_failed(early, Code::aborted);
    const SequenceId late = door.submit({.prompt = 3, .max_tokens = 30});
    door.run();
    door.check_failed(late, Code::aborted);
    CHECK(door.stream(late).tokens.empty());
    door.close();
  }
}

TEST_CASE("closing in the middle of everything leaves nothing behind") {
  for (std::uint32_t seed = first_seed(); seed < first_seed() + 60; ++seed) {
    INFO("seed " << seed);
    StageDoor door(seed, limits, 2, 2);
    for (int i = 0; i < 6; ++i) door.submit({.prompt = 3, .max_tokens = 10});
    for (std::uint32_t i = 0; i < seed * 5 % 300; ++i) door.turn();
    door.close();
    for (SequenceId id = 1; id <= 6; ++id) {
      if (door.stream(id).why) door.check_failed(id, Code::aborted);
    }
  }
}

}  // namespace troupe::testing
