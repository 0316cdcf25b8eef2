#include "tests/actors/stage_door.hpp"
#include "tests/seed.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;
using Numbers = std::vector<std::uint32_t>;

constexpr BatchLimits limits{.stages = 2, .rows = 8, .parallel = 4, .context = 200};

/// Replicas come and go under eight streams, and break as well where `failures` says so.
void check_changes(std::uint32_t seed, std::size_t changes, std::size_t failures) {
  INFO("seed " << seed);
  StageDoor door(seed, limits, 1 + seed % 2, 1, {SIZE_MAX, std::chrono::minutes(1), SIZE_MAX});
  door.on_made = [&](FakeReplica& replica) {
    if (failures == 0 || door.random() % 2 == 0) return;
    --failures;
    replica.broken_from = 3 + door.random() % 20;
  };
  std::size_t streams = 0, made = 0, gone = 0;
  const auto more = [&] {
    const std::uint32_t blocks = door.random() % 4 == 0 ? 1 + door.random() % 3 : 0;  // some have KV that moves
    const auto behind = static_cast<std::uint32_t>(door.random() % 9);
    door.submit({.prompt = 1 + blocks * 64 + behind, .max_tokens = 30});
    ++streams;
  };
  while (made + gone < changes) {
    while (door.unfinished() < 8) more();
    std::vector<std::future<Result<actors::Changed>>> grown;
    std::vector<std::future<Result<void>>> drained;
    const auto& replicas = door.supervisor_state().replicas;
    const bool all = door.random() % 3 == 0;
    if (all) grown.push_back(door.replace(1 + door.random() % 3));
    if (!all && replicas.size() < 4) grown.push_back(door.replicate(1 + door.random() % 2));
    if (door.random() % 2 == 0) {
      auto victim = replicas.begin();
      std::advance(victim, door.random() % replicas.size());
      drained.push_back(door.drain(victim->first));
    }
    for (unsigned turns = 20 + door.random() % 200; turns > 0; --turns) door.turn();
    const auto settled = [](auto& answer) {
      return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    };
    for (auto& each : grown) {
      while (!settled(each)) REQUIRE(door.turn());
      const actors::Changed changed = each.get().value();
      made += changed.numbers.size();
      gone += changed.gone;
    }
    for (auto& each : drained) {
      while (!settled(each)) REQUIRE(door.turn());
      gone += each.get().ok() ? 1 : 0;
    }
  }
  door.run();
  for (SequenceId id = 1; id <= streams; ++id) door.check_complete(id);
  door.check_clean();
  door.close();
}

template <class T>
T now(StageDoor& door, std::future<T> answer) {
  door.run();
  return answer.get();
}

}  // namespace

TEST_CASE("replicas come and go under load, and no stream notices") {
  for (std::uint32_t seed = first_seed(); seed < first_seed() + 20; ++seed) check_changes(seed, 12, 0);
}

TEST_CASE("replicas come and go while they break, and no stream notices", "[bad-input]") {
  for (std::uint32_t seed = first_seed(); seed < first_seed() + 20; ++seed) check_changes(seed, 12, 10);
}

TEST_CASE("500 failures and 200 changes leave every stream as it is", "[long]") {
  check_changes(first_seed(), 200, 500);
  check_changes(first_seed() + 1, 200, 500);
}

TEST_CASE("a new replica takes requests, and has a number of its own") {
  StageDoor door(first_seed(), limits, 2);
  CHECK(now(door, door.replicate(2)).value().numbers == Numbers{2, 3});
  for (int i = 0; i < 8; ++i) door.submit({.prompt = 1, .max_tokens = 9});
  door.run();
  for (const auto& replica : door.replicas) CHECK(replica->most_at_once() > 0);
  CHECK(now(door, door.drain(3)).ok());
  CHECK(now(door, door.replicate(1)).value().numbers == Numbers{4});
  for (SequenceId id = 1; id <= 8; ++id) door.check_complete(id);
  door.check_clean();
  door.close();
}

/// Of four equal prompts of two blocks and a bit, the first of which has been computed, which replicas have them.
std::vector<std::uint32_t> replicas_of_alike(float prefix_weight) {
  StageDoor door(first_seed(), {.rows = 200, .parallel = 8, .context = 400}, 2, 1, {}, prefix_weight);
  const SequenceId first = door.submit({.prompt = 140, .max_tokens = 60, .ignore_end = true});
  while (door.stream(first).tokens.empty()) REQUIRE(door.turn());
  for (int i = 0; i < 3; ++i) door.submit({.prompt = 140, .max_tokens = 60, .ignore_end = true});
  door.run_actors();
  std::vector<std::uint32_t> replicas;
  for (const auto& [id, entry] : StageDoor::state<actors::RouterActor, actors::RouterState>(door.router()).open) {
    replicas.push_back(entry.replica.value());
  }
  door.run();
  for (SequenceId id = first; id <= 4; ++id) door.check_complete(id);
  door.check_clean();
  door.close();
  return replicas;
}

TEST_CASE("a prompt goes where its beginning has been computed, as long as that saves more than it waits") {
  CHECK(replicas_of_alike(1.0F) == std::vector<std::uint32_t>{0, 0, 1, 0});
  CHECK(replicas_of_alike(100.0F) == std::vector<std::uint32_t>{0, 0, 0, 0});
  CHECK(replicas_of_alike(0.0F) == std::vector<std::uint32_t>{0, 1, 0, 1});
}

TEST_CASE("replicas that are asked for together are all there, or none is", "[bad-input]") {
  StageDoor door(first_seed(), limits);
  auto answer = door.replicate(3);
  door.run_actors();
  while (door.replicas.size() < 3) REQUIRE(door.turn());
  door.builds_fail = Error(Code::out_of_memory, "no room for a lamp");
  const auto numbers = now(door, std::move(answer));
  REQUIRE_FALSE(numbers);
  CHECK(numbers.error().code() == Code::out_of_memory);
  CHECK(door.supervisor_state().replicas.size() == 1);
  const SequenceId id = door.submit({.prompt = 1, .max_tokens = 9});
  door.run();
  door.check_complete(id);
  door.check_clean();
  door.close();
}

TEST_CASE("others in place of all: no request goes to one that is on its way, and all of these end") {
  StageDoor door(first_seed(), limits, 3);
  for (int i = 0; i < 8; ++i) door.submit({.prompt = 3, .max_tokens = 9});
  for (int i = 0; i < 40; ++i) door.turn();
  const actors::Changed changed = now(door, door.replace(2)).value();
  CHECK(changed.numbers == Numbers{3, 4});
  CHECK(changed.gone == 3);
  CHECK(door.supervisor_state().replicas.size() == 2);
  CHECK_FALSE(door.supervisor_state().replacing);
  for (SequenceId id = 1; id <= 8; ++id) door.check_complete(id);
  CHECK(now(door, door.replicate(1)).value().numbers == Numbers{5});
  door.check_clean();
  door.close();
}

/// Rows that the second of two replicas computes of a text of 201 tokens, which it has from the first.
std::uint32_t rows_after_change(bool prefix_cache, float prefix_weight) {
  StageDoor door(first_seed(), {.rows = 64, .parallel = 4, .context = 400, .prefix_cache = prefix_cache}, 1, 1, {},
                 prefix_weight);
  const SequenceId id = door.submit({.prompt = 1, .max_tokens = 300, .ignore_end = true});
  while (door.stream(id).tokens.size() < 200) REQUIRE(door.turn());
  CHECK(now(door, door.replace(1)).value().gone == 1);
  door.check_complete(id);
  CHECK(door.blocks_carried == (prefix_cache ? door.replicas[0]->rows_of(id) / 64 : 0));
  const std::uint32_t rows = door.replicas[1]->rows_of(id);
  door.check_clean();
  door.close();
  return rows;
}

TEST_CASE("others in place of all: what the KV cache held is not computed again") {
  CHECK(rows_after_change(true, 1.0F) <= 100 + 64);
  CHECK(rows_after_change(false, 0.0F) > 200);
}

TEST_CASE("others in place of all: of two caches each request finds its own") {
  StageDoor door(first_seed(), {.rows = 64, .parallel = 8, .context = 400}, 2, 1, {}, 1.0F);
  for (int i = 0; i < 6; ++i) door.submit({.prompt = 130, .max_tokens = 60, .ignore_end = true});
  while (door.unfinished() == 6 && door.stream(6).tokens.size() < 20) REQUIRE(door.turn());
  CHECK(now(door, door.replace(2)).value().numbers == Numbers{2, 3});
  for (SequenceId id = 1; id <= 6; ++id) {
    door.check_complete(id);
    CHECK(door.replicas[2]->rows_of(id) + door.replicas[3]->rows_of(id) < 130);
  }
  door.check_clean();
  door.close();
}

TEST_CASE("others in place of all that cannot be made leave those that serve", "[bad-input]") {
  StageDoor door(first_seed(), limits, 2);
  const SequenceId id = door.submit({.prompt = 3, .max_tokens = 9});
  door.builds_fail = Error(Code::out_of_memory, "no room for a lamp");
  const auto refused = now(door, door.replace(2));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == Code::out_of_memory);
  CHECK(door.supervisor_state().replicas.size() == 2);
  door.check_complete(id);
  door.builds_fail.reset();
  CHECK(now(door, door.replace(1)).value().gone == 2);
  door.check_clean();
  door.close();
}

TEST_CASE("one change in place of all at a time", "[bad-input]") {
  StageDoor door(first_seed(), limits);
  auto first = door.replace(2), second = door.replace(1);
  auto more = door.replicate(1);
  door.run();
  CHECK(first.get().ok());
  for (auto* refused : {&second, &more}) {
    const auto answer = refused->get();
    REQUIRE_FALSE(answer);
    CHECK_THAT(answer.error().message(), Contains("another change"));
  }
  auto grown = door.replicate(1), late = door.replace(1);
  door.run();
  CHECK(grown.get().ok());
  CHECK_FALSE(late.get().ok());
  CHECK(door.supervisor_state().replicas.size() == 3);
  door.check_clean();
  door.close();
}

TEST_CASE("the last replica that serves cannot be drained, nor one that is not there", "[bad-input]") {
  StageDoor door(first_seed(), limits, 2);
  const SequenceId id = door.submit({.prompt = 1, .max_tokens = 30});
  CHECK(now(door, door.drain(7)).error().code() == Code::not_found);
  CHECK(now(door, door.drain(0)).ok());
  CHECK(now(door, door.drain(0)).error().code() == Code::not_found);
  const auto last = now(door, door.drain(1));
  REQUIRE_FALSE(last);
  CHECK(last.error().code() == Code::invalid_argument);
  CHECK_THAT(last.error().message(), Contains("no other serves"));
  door.check_complete(id);
  door.check_clean();
  door.close();
}

TEST_CASE("a replica that is being made again, or that has been given up, can be drained", "[bad-input]") {
  StageDoor door(first_seed(), limits, 2, 1, {0, std::chrono::minutes(1)});
  if (GENERATE(true, false)) door.builds_fail = Error(Code::failed, "");
  for (int i = 0; i < 4; ++i) door.submit({.prompt = 1, .max_tokens = 30});
  door.run_actors();
  door.kill(door.scheduler_of(1));
  door.run_actors();
  CHECK(now(door, door.drain(1)).ok());
  CHECK(door.supervisor_state().replicas.size() == 1);
  for (SequenceId id = 1; id <= 4; ++id) door.check_complete(id);
  door.check_clean();
  door.close();
}

TEST_CASE("who waits for a change hears when the supervisor ends", "[bad-input]") {
  StageDoor door(first_seed(), limits, 2);
  auto grown = door.replicate(1);
  auto drained = door.drain(0);
  door.run_actors();
  door.close();
  CHECK_THROWS_AS(grown.get(), std::future_error);
  CHECK_THROWS_AS(drained.get(), std::future_error);
}

}  // namespace troupe::testing
