#include "tests/actors/stage_door.hpp"
#include "tests/seed.hpp"

namespace troupe::testing {
namespace {

BatchLimits random_limits(Random& random) {
  BatchLimits limits;
  limits.stages = 1 + random() % 4;
  limits.parallel = 1 + random() % 6;
  limits.rows = limits.parallel + random() % 16;
  limits.context = 200;
  limits.prefix_cache = random() % 2 == 0;
  if (random() % 2 == 0) limits.kv = {{0, 4 + random() % 8, 4}};  // so that some give theirs back
  return limits;
}

StageDoor::Wish random_wish(Random& random) {
  StageDoor::Wish wish;
  wish.prompt = 1 + random() % (random() % 3 == 0 ? 100 : 6);
  wish.max_tokens = random() % 25;
  return wish;
}

}  // namespace

TEST_CASE("every request gets exactly its tokens, in order, whatever the schedule") {
  for (std::uint32_t seed = first_seed(); seed < first_seed() + 100; ++seed) {
    INFO("seed " << seed);
    Random random(seed);
    StageDoor door(seed, random_limits(random), 1 + random() % 2, 1 + random() % 3);
    const std::size_t requests = 1 + random() % 20;
    while (door.wishes.size() < requests) {
      const SequenceId id = door.submit(random_wish(random));
      if (random() % 4 == 0) door.end_after(id, random() % 20);
      for (unsigned pause = random() % 60; pause > 0; --pause) door.turn();
    }
    door.run();
    for (SequenceId id = 1; id <= requests; ++id) door.check_complete(id);
    door.check_clean();
    door.close();
  }
}

TEST_CASE("whatever happens to some requests, the others get their tokens, and nothing is left behind") {
  std::size_t endings[4] = {};
  for (std::uint32_t seed = first_seed(); seed < first_seed() + 100; ++seed) {
    INFO("seed " << seed);
    Random random(seed);
    StageDoor door(seed, random_limits(random), 1 + random() % 2, 1 + random() % 3);
    std::map<SequenceId, Code> may_fail;
    const std::size_t requests = 4 + random() % 20;
    while (door.wishes.size() < requests) {
      StageDoor::Wish wish = random_wish(random);
      const unsigned fate = random() % 6;
      if (fate == 0) wish.deadline = std::chrono::hours(1);
      const SequenceId id = door.submit(wish);
      if (fate == 0) may_fail[id] = Code::deadline;
      if (fate == 1) may_fail[id] = Code::cancelled;
      if (fate == 2) {
        may_fail[id] = Code::out_of_range;
        door.fail_at(id, random() % (wish.prompt + 10), random() % 4);
      }
      if (random() % 4 == 0) door.end_after(id, random() % 20);
      for (unsigned pause = random() % 60; pause > 0; --pause) door.turn();
      for (const auto& [each, code] : may_fail) {
        if (code == Code::cancelled && random() % 4 == 0) door.stop(each);
      }
      if (random() % 10 == 0) door.pass_time(std::chrono::hours(2));
    }
    door.run();
    for (SequenceId id = 1; id <= requests; ++id) {
      ++endings[door.stream(id).why ? 1 : 0];
      if (may_fail.contains(id) && door.stream(id).why) {
        door.check_failed(id, may_fail[id]);
      } else {
        door.check_complete(id);
      }
    }
    door.check_clean();
    door.close();
  }
  CHECK(endings[0] > 500);  // both happen
  CHECK(endings[1] > 100);
}

TEST_CASE("one message a step goes to each member, and control stays one step ahead") {
  StageDoor door(1, {.stages = 1, .rows = 8, .parallel = 4, .context = 64});
  door.submit({.prompt = 3, .max_tokens = 10});
  door.run_actors();
  FakeReplica& replica = *door.replicas[0];
  for (int step = 0; step < 2; ++step) {  // the prompt, and the row that waits for its token
    REQUIRE(replica.can_compute(0));
    replica.compute(0);
  }
  REQUIRE_FALSE(replica.can_compute(0));
  door.run();
  door.check_complete(1);
}

TEST_CASE("where executors fill every core, an outcome's actors run before its thread goes on") {
  for (const bool fill : {false, true}) {
    StageDoor door(first_seed(), {.stages = 1, .rows = 8, .parallel = 4, .context = 64});
    FakeReplica& replica = *door.replicas[0];
    replica.fill_cores(fill);
    const SequenceId id = door.submit({.prompt = 1, .max_tokens = 10});
    door.run_actors();
    for (std::size_t step = 1; step <= 5; ++step) {
      replica.compute(0);
      replica.reports().front()();
      CHECK(door.stream(id).tokens.size() == (fill ? step : step - 1));
      door.run_actors();
      CHECK(door.stream(id).tokens.size() == step);
    }
    door.run();
    door.check_complete(id);
  }
}

TEST_CASE("an end token ends a text one step later, and the surplus is dropped") {
  StageDoor door(first_seed(), {.stages = 1, .rows = 8, .parallel = 4, .context = 200});
  const SequenceId ends = door.submit({.prompt = 2, .max_tokens = 100});
  const SequenceId ignores = door.submit({.prompt = 2, .max_tokens = 20, .ignore_end = true});
  const SequenceId at_once = door.submit({.prompt = 2, .max_tokens = 5});
  door.end_after(ends, 10);
  door.end_after(ignores, 10);
  door.end_after(at_once, 0);
  FakeReplica& replica = *door.replicas[0];
  for (;;) {  // control is faster than the work, as it is in life
    door.run_actors();
    if (auto reports = replica.reports(); !reports.empty()) {
      reports[0]();
    } else if (replica.can_compute(0)) {
      replica.compute(0);
    } else {
      break;
    }
  }
  for (const SequenceId id : {ends, ignores, at_once}) door.check_complete(id);
  CHECK(replica.rows_of(ends) <= 2 + 10 + 1);
  CHECK(replica.rows_of(at_once) <= 2 + 1);
  CHECK(replica.rows_of(ignores) == 2 + 19);
  door.check_clean();
}

TEST_CASE("no text ends within a character") {
  StageDoor door(first_seed(), {.stages = 1, .rows = 8, .parallel = 4, .context = 200});
  const SequenceId id = door.submit({.prompt = 1, .max_tokens = 3});
  door.run_actors();
  const auto scheduler = StageDoor::state<actors::SchedulerActor, actors::SchedulerState>(door.scheduler_of(0)).sampler;
  for (const TokenId token : {7, 8, 7}) caf::anon_send(scheduler, actors::Sampled{{{id, token}}});
  door.run_actors();
  CHECK(door.stream(id).tokens == std::vector<TokenId>{7, 8, 7});
  CHECK(door.stream(id).text == "\xE2\x82\xAC\xEF\xBF\xBD");
  CHECK(door.stream(id).over);
}

TEST_CASE("requests go to the replica with the fewest") {
  StageDoor door(first_seed(), {.stages = 1, .rows = 16, .parallel = 8, .context = 64}, 3);
  for (int i = 0; i < 12; ++i) door.submit({.prompt = 1, .max_tokens = 5});
  door.run_actors();
  for (std::size_t r = 0; r < 3; ++r) {
    CHECK(StageDoor::state<actors::SchedulerActor, actors::SchedulerState>(door.scheduler_of(r)).open.size() == 4);
  }
  door.run();
  for (SequenceId id = 1; id <= 12; ++id) door.check_complete(id);
  for (const auto& replica : door.replicas) CHECK(replica->most_at_once() > 1);
}

TEST_CASE("a stop string ends a text, and what runs ahead of it is dropped") {
  for (std::uint32_t seed = first_seed(); seed < first_seed() + 40; ++seed) {
    INFO("seed " << seed);
    StageDoor door(seed, {.stages = 1 + seed % 3, .rows = 8, .parallel = 3, .context = 200});
    const std::string third = std::to_string(fake_token(1, 2 + 2));
    const SequenceId stopped = door.submit({.prompt = 2, .max_tokens = 100, .stop = {third}});
    const SequenceId whole = door.submit({.prompt = 2, .max_tokens = 30});
    const SequenceId behind = door.submit({.prompt = 3, .max_tokens = 9});
    door.run();
    CHECK(door.stream(stopped).reason == FinishReason::stop);
    CHECK(door.stream(stopped).stop == third);
    CHECK(door.stream(stopped).tokens.size() == 3);
    CHECK(door.stream(stopped).text.find(third) == std::string::npos);
    CHECK_FALSE(door.stream(stopped).why);
    for (const SequenceId id : {whole, behind}) {
      door.check_complete(id);
      CHECK(door.stream(id).reason == FinishReason::length);
    }
    door.check_clean();
  }
}

TEST_CASE("a stream that throws ends its request, and no other") {
  for (std::uint32_t seed = first_seed(); seed < first_seed() + 40; ++seed) {
    INFO("seed " << seed);
    StageDoor door(seed, {.stages = 1 + seed % 2, .rows = 8, .parallel = 3, .context = 200});
    const SequenceId throws = door.submit({.prompt = 2, .max_tokens = 100});
    door.stream(throws).throws_at = 5;
    const SequenceId other = door.submit({.prompt = 2, .max_tokens = 30});
    door.run();
    door.check_failed(throws, Code::failed);
    CHECK(door.stream(throws).reason == FinishReason::error);
    door.check_complete(other);
    door.check_clean();
  }
}

TEST_CASE("a text that begins with what it has said before goes on behind it") {
  StageDoor door(first_seed(), {.stages = 1, .rows = 8, .parallel = 4, .context = 200});
  const SequenceId id = door.submit({.prompt = 1, .max_tokens = 4, .stop = {"9 8"}});
  door.run_actors();
  const auto sampler = StageDoor::state<actors::SchedulerActor, actors::SchedulerState>(door.scheduler_of(0)).sampler;
  const auto request = StageDoor::state<actors::RouterActor, actors::RouterState>(door.router()).open.at(id).request;
  caf::anon_send(sampler, actors::Begin{request, {7, 8, 9}});  // in another replica, say
  caf::anon_send(sampler, actors::Sampled{{{id, 8}}});
  door.run_actors();
  CHECK(door.stream(id).tokens == std::vector<TokenId>{8});
  CHECK(door.stream(id).text == "9 \xEF\xBF\xBD");  // held back before, shown now: the last byte of a euro sign is none
  CHECK(door.stream(id).reason == FinishReason::length);
}

}  // namespace troupe::testing
