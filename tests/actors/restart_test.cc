#include "tests/actors/stage_door.hpp"
#include "tests/seed.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;
using namespace std::chrono_literals;

constexpr BatchLimits limits{.stages = 2, .rows = 8, .parallel = 4, .context = 200};
constexpr actors::RestartLimit no_limit{SIZE_MAX, 1min, SIZE_MAX};

/// Breaks in one of the ways in which a replica can.
void break_somehow(StageDoor& door, FakeReplica& replica, StepId step) {
  if (door.random() % 2 == 0) {
    replica.broken_from = step;
  } else {
    replica.throw_from(step);
  }
}

/// Nothing of a text is lost, and nothing comes twice.
void check_texts(StageDoor& door, SequenceId last) {
  for (SequenceId id = 1; id <= last; ++id) {
    door.check_complete(id);
    std::string text;
    for (const TokenId token : door.expected(id)) text += FakeTokenizer().piece(token, false);
    REQUIRE(door.stream(id).text == text);
  }
}

std::size_t logged(const StageDoor& door, LogLevel level) {
  return std::count_if(door.logged.begin(), door.logged.end(), [&](const auto& line) { return line.first == level; });
}

/// Eight streams, while every replica that is made breaks after some steps.
void check_failures(std::uint32_t seed, std::size_t failures, std::uint32_t tokens) {
  INFO("seed " << seed);
  StageDoor door(seed, limits, 1 + seed % 2, 1 + seed % 3, no_limit);
  std::size_t left = failures;
  const auto doom = [&](FakeReplica& replica) {
    if (left == 0) return;
    --left;
    break_somehow(door, replica, 5 + door.random() % 40);
  };
  door.on_made = doom;
  for (const auto& replica : door.replicas) doom(*replica);
  for (int i = 0; i < 8; ++i) {
    const SequenceId id =
        door.submit({.prompt = 1 + static_cast<std::uint32_t>(door.random() % 20), .max_tokens = tokens});
    if (door.random() % 3 == 0) door.end_after(id, door.random() % tokens);
  }
  door.run();
  check_texts(door, 8);
  door.check_clean();
  door.close();
}

}  // namespace

TEST_CASE("streams go on where they stood, whenever their replica breaks", "[bad-input]") {
  for (std::uint32_t seed = first_seed(); seed < first_seed() + 60; ++seed) check_failures(seed, 20, 60);
}

TEST_CASE("a broken replica's requests go on at once where another serves, and it comes back", "[bad-input]") {
  for (std::uint32_t seed = first_seed(); seed < first_seed() + 30; ++seed) {
    INFO("seed " << seed);
    StageDoor door(seed, limits, 2, 2);
    door.replicas[1]->broken_from = 1 + seed % 12;
    for (int i = 0; i < 8; ++i) door.submit({.prompt = 1 + seed % 9, .max_tokens = 30});
    door.run();
    check_texts(door, 8);
    CHECK(door.replicas[1]->aborted());  // what waited for the broken one has been woken
    CHECK_FALSE(door.replicas[0]->aborted());
    REQUIRE(door.replicas.size() == 3);
    CHECK(logged(door, LogLevel::error) == 1);
    for (int i = 0; i < 6; ++i) door.submit({.prompt = 2, .max_tokens = 3});
    door.run();
    check_texts(door, 14);
    CHECK(door.replicas[2]->most_at_once() > 0);
    door.check_clean();
    door.close();
  }
}

TEST_CASE("an actor that dies takes its replica with it, and that comes back", "[bad-input]") {
  StageDoor door(first_seed(), limits, 2, 2);
  for (int i = 0; i < 6; ++i) door.submit({.prompt = 3, .max_tokens = 30});
  const auto& scheduler = StageDoor::state<actors::SchedulerActor, actors::SchedulerState>(door.scheduler_of(0));
  SECTION("a node whose executor throws") { door.replicas[0]->throw_from(5); }
  SECTION("a node") {
    const auto& stage = StageDoor::state<actors::StageActor, actors::StageState>(scheduler.stages[1]);
    door.kill(stage.members[0]);
  }
  SECTION("a stage") { door.kill(scheduler.stages[0]); }
  SECTION("the sampler") { door.kill(scheduler.sampler); }
  SECTION("the scheduler") { door.kill(door.scheduler_of(0)); }
  door.run();
  check_texts(door, 6);
  CHECK(door.replicas.size() == 3);
  CHECK(door.replicas[0]->aborted());
  door.check_clean();
  door.close();
}

TEST_CASE("a replica is made again five times in a minute, and then says why not", "[bad-input]") {
  StageDoor door(first_seed(), limits);
  const auto next = [&] {
    const SequenceId id = door.submit({.prompt = 3, .max_tokens = 30});
    door.run();
    return id;
  };
  door.replicas[0]->broken_by = 1;
  door.on_made = [made = 1](FakeReplica& replica) mutable { replica.broken_by = ++made; };  // each by another request
  for (SequenceId id = 1; id <= 5; ++id) door.check_complete(next());
  CHECK(door.replicas.size() == 6);
  door.pass_time(61s);
  for (SequenceId id = 6; id <= 10; ++id) door.check_complete(next());
  CHECK(door.replicas.size() == 11);
  const SequenceId eleventh = next();
  door.check_failed(eleventh, Code::aborted);
  CHECK_THAT(door.stream(eleventh).why->message(), Contains("replica 0 has failed: the lamp went out"));
  const SequenceId late = door.submit({.prompt = 3, .max_tokens = 30});
  door.stop(late);
  door.run();
  door.check_failed(late, Code::aborted);
  CHECK_THAT(door.stream(late).why->message(), Contains("the lamp went out"));
  door.check_clean();
  door.close();
}

TEST_CASE("a replica that cannot be made again is tried as often, and says why not", "[bad-input]") {
  StageDoor door(first_seed(), limits);
  door.builds_fail = Error(Code::out_of_memory, "no room for a lamp");
  door.replicas[0]->broken_from = 5;
  const SequenceId id = door.submit({.prompt = 3, .max_tokens = 30});
  SECTION("for good, after longer and longer pauses") {
    for (std::size_t errors = 2; errors <= 5; ++errors) {
      for (int second = 0; second < 1 << (errors - 2); ++second) {
        door.run();
        CHECK(logged(door, LogLevel::error) == errors);
        CHECK_FALSE(door.stream(id).over);
        door.pass_time(1s);
      }
    }
    door.run();
    door.check_failed(id, Code::out_of_memory);
    CHECK_THAT(door.stream(id).why->message(), Contains("replica 0 cannot be made again: no room for a lamp"));
    CHECK(logged(door, LogLevel::error) == 6);
  }
  SECTION("until there is room") {
    door.run();
    door.pass_time(1s);
    door.run();
    CHECK(logged(door, LogLevel::error) == 3);
    door.builds_fail.reset();
    door.run();
    CHECK_FALSE(door.stream(id).over);
    door.pass_time(2s);
    door.run();
    door.check_complete(id);
  }
  door.check_clean();
  door.close();
}

TEST_CASE("a request that breaks every replica ends, before any of them is given up", "[bad-input]") {
  for (std::uint32_t seed = first_seed(); seed < first_seed() + 20; ++seed) {
    INFO("seed " << seed);
    StageDoor door(seed, limits, 1 + seed % 3);
    const SequenceId poison = 1;
    for (const auto& replica : door.replicas) replica->broken_by = poison;
    door.on_made = [](FakeReplica& replica) { replica.broken_by = poison; };
    door.submit({.prompt = 3, .max_tokens = 30});
    door.run();
    door.check_failed(poison, Code::aborted);
    CHECK(logged(door, LogLevel::error) == actors::RestartLimit().losses + 1);
    for (int i = 0; i < 4; ++i) door.submit({.prompt = 3, .max_tokens = 5});
    door.run();
    for (SequenceId id = 2; id <= 5; ++id) door.check_complete(id);
    door.check_clean();
    door.close();
  }
}

TEST_CASE("who only waits while a replica breaks is not to blame", "[bad-input]") {
  StageDoor door(first_seed(), {.stages = 1, .rows = 8, .parallel = 1, .context = 200}, 2);
  for (const auto& replica : door.replicas) replica->broken_by = 1;
  door.on_made = [](FakeReplica& replica) { replica.broken_by = 1; };
  for (int i = 0; i < 8; ++i) door.submit({.prompt = 3, .max_tokens = 5});
  door.run();
  door.check_failed(1, Code::aborted);
  for (SequenceId id = 2; id <= 8; ++id) door.check_complete(id);
  door.check_clean();
  door.close();
}

TEST_CASE("while no replica serves, deadlines and cancels hold, and new requests wait", "[bad-input]") {
  StageDoor door(first_seed(), limits);
  const SequenceId cancelled = door.submit({.prompt = 3, .max_tokens = 30});
  const SequenceId timed = door.submit({.prompt = 3, .max_tokens = 30, .deadline = 1h});
  const SequenceId patient = door.submit({.prompt = 3, .max_tokens = 30});
  while (door.stream(patient).tokens.empty()) REQUIRE(door.turn());
  door.kill(door.scheduler_of(0));
  door.run_actors();  // but not the builder
  const SequenceId late = door.submit({.prompt = 3, .max_tokens = 30});
  const SequenceId late_timed = door.submit({.prompt = 3, .max_tokens = 30, .deadline = 1h});
  door.stop(cancelled);
  door.run_actors();
  door.check_failed(cancelled, Code::cancelled);
  door.pass_time(2h);
  door.run_actors();
  door.check_failed(timed, Code::deadline);
  door.check_failed(late_timed, Code::deadline);
  CHECK(door.stream(late_timed).tokens.empty());
  REQUIRE_FALSE(door.stream(patient).over);
  door.run();
  door.check_complete(patient);
  door.check_complete(late);
  door.check_clean();
  door.close();
}

TEST_CASE("what a replica of an older epoch still says is not heard", "[bad-input]") {
  StageDoor door(first_seed(), limits);
  const SequenceId id = door.submit({.prompt = 3, .max_tokens = 10});
  while (door.stream(id).tokens.empty()) REQUIRE(door.turn());
  door.kill(door.scheduler_of(0));
  while (logged(door, LogLevel::info) == 0) REQUIRE(door.turn());  // it is back
  caf::anon_send(door.router(), actors::Emit{id, {99, "old "}, {}, 1});
  caf::anon_send(door.router(), actors::End{id, {}, 1});
  auto old = std::make_shared<StepOutcome>();
  old->id = 1;
  old->epoch = 1;
  old->broken = Error(Code::failed, "long ago");
  caf::anon_send(door.scheduler_of(0), actors::StepRan{0, old});
  door.run();
  check_texts(door, 1);
  CHECK(door.replicas.size() == 2);
  door.close();
}

}  // namespace troupe::testing
