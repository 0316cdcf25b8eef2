#include "runtime/schedule/batcher.hpp"

#include "tests/runtime/batcher_simulation.hpp"
#include "tests/seed.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

BatchLimits random_limits(Random& random) {
  BatchLimits limits;
  limits.stages = 1 + random() % 8;
  limits.parallel = 1 + random() % 12;
  limits.rows = limits.parallel + random() % 40;
  limits.context = 1 + random() % 300;
  return limits;
}

/// With windows, and with blocks for one sequence at full context and a little more.
BatchLimits random_bounded_limits(Random& random) {
  BatchLimits limits = random_limits(random);
  limits.stages = 1 + random() % 3;
  limits.context = 64 + random() % 300;
  limits.prefix_cache = random() % 4 != 0;
  const std::uint32_t each = kv_blocks_for(limits.context), most = each + random() % (2 * each);
  if (random() % 4 != 0) limits.kv.push_back({0, most, each});
  if (limits.kv.empty() || random() % 2 == 0) {
    const std::uint32_t window = 1 + random() % 150;
    const std::uint32_t per_sequence = std::min(each, (window + limits.rows + 61) / 64 + 1);
    limits.kv.push_back(
        {window, limits.kv.empty() ? most : std::min(most, limits.parallel * per_sequence), per_sequence});
  }
  return limits;
}

/// Prompts that begin alike, and tell a little how they go on.
std::vector<TokenId> random_prompt(Random& random, std::uint32_t length) {
  std::vector<TokenId> prompt(length, 0);
  const std::uint32_t alike = random() % 200;
  for (std::uint32_t i = alike; i < length; ++i) prompt[i] = static_cast<TokenId>(random() % 2);
  return prompt;
}

SequenceRequest random_request(Random& random, const BatchLimits& limits, SequenceId id) {
  const std::uint32_t prompt = 1 + random() % (random() % 2 == 0 ? limits.context : std::min(limits.context, 4U));
  const std::uint32_t room = limits.context - prompt + 1;
  SequenceRequest request{.id = id, .prompt = random_prompt(random, prompt)};
  request.max_tokens = random() % std::min(room + 1, random() % 3 == 0 ? 150U : 20U);
  if (random() % 4 == 0) request.priority = static_cast<std::int32_t>(random() % 3) - 1;
  if (random() % 4 == 0) request.cache_salt = "other";
  if (random() % 8 == 0) {
    request.first_wanted = random() % prompt;
    request.max_tokens = 0;
  }
  return request;
}

/// Requests come and go, stages run when they like, reports come late.
void play(Random& random, BatcherSimulation& game, const BatchLimits& limits, int turns = 400) {
  SequenceId last = 0;
  const unsigned hurry = 1 + random() % 4;  // how often the scheduler looks
  for (int turn = 0; turn < turns; ++turn) {
    const unsigned what = random() % 16;
    if (what < 2) {
      game.add(random_request(random, limits, ++last));
      if (random() % 16 == 0) game.spoil(last);
    } else if (what == 2 && last > 0) {
      if (random() % 4 == 0) game.stop(1 + random() % last);
    } else if (what < 12) {
      game.run(random() % limits.stages);
    } else if (what < 14) {
      game.complete();
    }
    if (turn % hurry == 0) {
      while (game.send() != nullptr) {
      }
    }
  }
}

/// A game from its first request to its end, of limits that are drawn.
BatchStats play_through(std::uint32_t seed, BatchLimits (*draw)(Random&)) {
  INFO("seed " << seed);
  Random random(seed);
  const BatchLimits limits = draw(random);
  INFO("stages " << limits.stages << ", parallel " << limits.parallel << ", rows " << limits.rows << ", context "
                 << limits.context);
  BatcherSimulation game(limits);
  play(random, game, limits);
  game.finish();
  game.check_end();
  return game.batcher().stats();
}

}  // namespace

TEST_CASE("a batcher keeps its promises whatever comes and in whatever order") {
  for (std::uint32_t seed = first_seed(); seed < first_seed() + 150; ++seed) {
    (void)play_through(seed, random_limits);
  }
}

TEST_CASE(
    "with few blocks, shared prefixes and windows a batcher keeps its promises, and everybody gets their tokens") {
  std::uint64_t given_back = 0, cached = 0;
  for (std::uint32_t seed = first_seed(); seed < first_seed() + 300; ++seed) {
    const BatchStats stats = play_through(seed, random_bounded_limits);
    given_back += stats.given_back;
    cached += stats.cached_tokens;
  }
  CHECK(given_back > 100);  // both happen
  CHECK(cached > 10000);
}

/// Steps go through one after the other, until one has sent its last.
void run_alone(BatcherSimulation& game) {
  while (game.send() != nullptr) {
  }
  game.run(0);
  game.complete();
}

TEST_CASE("where blocks run out the youngest of the lowest priority gives its own back") {
  for (const bool prefer_third : {false, true}) {
    BatcherSimulation game({.stages = 1, .rows = 256, .parallel = 4, .context = 256, .kv = {{0, 9, 4}}});
    for (SequenceId id = 1; id <= 3; ++id) {
      SequenceRequest request{
          .id = id, .prompt = std::vector<TokenId>(60, static_cast<TokenId>(id)), .max_tokens = 150};
      if (id == 3 && prefer_third) request.priority = 1;
      game.add(std::move(request));
    }
    while (!game.through(1)) run_alone(game);
    CHECK(game.lives(1) == 1);
    CHECK(game.lives(prefer_third ? 3 : 2) == 1);
    game.finish();
    game.check_end();
    CHECK(game.lives(prefer_third ? 2 : 3) > 1);
  }
}

TEST_CASE("no priority keeps a request waiting for ever") {
  BatcherSimulation game({.stages = 1, .rows = 8, .parallel = 2, .context = 64});
  game.add({.id = 1, .prompt = {5}, .max_tokens = 2, .priority = -1});
  for (SequenceId id = 2; !game.through(1); ++id) {
    REQUIRE(id < 1000);
    game.add({.id = id, .prompt = {5}, .max_tokens = 2, .priority = 7});
    game.add({.id = ++id, .prompt = {5}, .max_tokens = 2, .priority = 7});
    run_alone(game);
  }
  game.finish();
  game.check_end();
}

TEST_CASE("whoever runs gives back at any step, and says the same") {
  for (std::uint32_t length = 1; length <= 130; ++length) {
    BatcherSimulation game({.stages = 1, .rows = 64, .parallel = 2, .context = 320, .kv = {{0, 5, 5}}});
    game.add(1, 190, 130);
    game.add(2, length, 100);
    game.finish();
    game.check_end();
  }
}

TEST_CASE("a prompt that begins like another's is computed from there on") {
  BatcherSimulation game({.stages = 1, .rows = 64, .parallel = 2, .context = 512});
  std::vector<TokenId> prompt(300, 1);
  game.add({.id = 1, .prompt = prompt, .max_tokens = 3});
  game.finish();
  prompt.resize(200);
  prompt.push_back(2);
  game.add({.id = 2, .prompt = prompt, .max_tokens = 3});
  const Step* step = game.send();
  REQUIRE(step != nullptr);
  CHECK(step->slices[0].first_position == 192);
  CHECK(game.batcher().cached_tokens(2) == 192);
  game.finish();
  game.check_end();
  CHECK(game.batcher().stats().prompt_tokens == 501);
  CHECK(game.batcher().stats().cached_tokens == 192);
}

TEST_CASE("prompts that are alike and come together are computed once, in whole blocks") {
  for (const std::uint32_t stages : {1U, 3U}) {
    BatcherSimulation game({.stages = stages, .rows = 100, .parallel = 6, .context = 512});
    for (SequenceId id = 1; id <= 5; ++id)
      game.add({.id = id, .prompt = std::vector<TokenId>(300, 1), .max_tokens = 9});
    game.add(6, 30, 5);  // another, which waits for nobody
    const Step* step = game.send();
    REQUIRE(step != nullptr);
    REQUIRE(step->slices.size() == 1);
    CHECK(step->slices[0].rows() == 100);
    game.finish();
    game.check_end();
    CHECK(game.batcher().stats().prompt_tokens == 5 * 300 + 30);
    CHECK(game.batcher().stats().cached_tokens == 4 * 256);
  }
}

TEST_CASE("who waits for a block that another computes goes on where that fails, or is stopped") {
  for (const bool fails : {true, false}) {
    BatcherSimulation game({.stages = 2, .rows = 80, .parallel = 3, .context = 512});
    for (SequenceId id = 1; id <= 3; ++id)
      game.add({.id = id, .prompt = std::vector<TokenId>(300, 1), .max_tokens = 9});
    REQUIRE(game.send() != nullptr);
    if (fails) {
      game.spoil(1);
    } else {
      game.stop(1);
    }
    game.finish();
    game.check_end();
  }
}

TEST_CASE("what was sampled before counts as sampled") {
  Batcher batcher({.stages = 1, .rows = 64, .parallel = 2, .context = 512});
  batcher.add({.id = 1, .prompt = {1, 2, 3, 4, 5}, .max_tokens = 3, .resumed = 2});
  const auto first = batcher.next();
  REQUIRE(first);
  CHECK(first->slices[0].tokens.size() == 5);
  CHECK(first->slices[0].sample);
  CHECK_FALSE(batcher.next());  // that was the third
  CHECK(batcher.complete(*first, {.id = 1, .tokens = {{0, 9}}}) == std::vector<SequenceId>{1});
}

TEST_CASE("a step that waits for nothing does not take back what an earlier one waits for") {
  BatcherSimulation game({.stages = 2, .rows = 8, .parallel = 4, .context = 256});
  game.add(1, 4, 10);
  while (game.send() != nullptr) {  // its prompt, and a row that waits for the first token
  }
  game.add(2, 100, 1);  // its prompt goes into the other micro-batch, before any token is sampled
  const Step* prefill = game.send();
  REQUIRE(prefill != nullptr);
  REQUIRE(prefill->slices[0].sequence == 2);
  REQUIRE(prefill->token_messages == 0);
  game.finish();
  game.check_end();
}

TEST_CASE("decoding is scheduled one step ahead, and no further") {
  BatcherSimulation game({.stages = 1, .rows = 8, .parallel = 4, .context = 64});
  game.add(1, 3, 10);
  REQUIRE(game.send() != nullptr);
  const Step* ahead = game.send();
  REQUIRE(ahead != nullptr);
  REQUIRE(ahead->slices[0].tokens.empty());
  REQUIRE(ahead->token_messages == 1);
  REQUIRE(game.send() == nullptr);
  game.run(0);
  game.complete();
  REQUIRE(game.send() != nullptr);
  REQUIRE(game.send() == nullptr);
}

TEST_CASE("one long prompt fills every stage of a pipeline") {
  for (std::uint32_t stages = 1; stages <= 8; ++stages) {
    BatcherSimulation game({.stages = stages, .rows = 8, .parallel = 4, .context = 1024});
    game.add(1, 800, 1);
    while (game.send() != nullptr) {
    }
    REQUIRE(game.under_way() == stages + 1);
  }
}

TEST_CASE("micro-batches stay of one size as sequences end") {
  BatcherSimulation game({.stages = 4, .rows = 64, .parallel = 16, .context = 256});
  for (SequenceId id = 1; id <= 16; ++id) game.add(id, 1, id <= 8 ? 4 : 200);
  const auto lap = [&](const auto& look) {
    while (const Step* step = game.send()) look(*step);
    for (std::uint32_t i = 0; i < 8; ++i) {
      for (std::uint32_t stage = 0; stage < 4; ++stage) game.run(stage);
    }
    while (game.complete()) {
    }
  };
  for (int i = 0; i < 20; ++i) lap([](const Step&) {});
  std::size_t steps = 0;
  lap([&](const Step& step) {
    ++steps;
    REQUIRE(step.rows() == 2);
  });
  REQUIRE(steps == 8);
}

TEST_CASE("a late prompt advances while others decode, and they while it does") {
  BatcherSimulation game({.stages = 1, .rows = 16, .parallel = 8, .context = 1024});
  for (SequenceId id = 1; id <= 7; ++id) game.add(id, 1, 500);
  for (int i = 0; i < 4; ++i) {
    while (game.send() != nullptr) {
    }
    game.run(0);
    game.complete();
  }
  game.add(8, 300, 5);
  const std::uint32_t before = game.sampled(1);
  std::uint32_t steps = 0;
  while (!game.prefilled(8)) {
    const Step* step = game.send();
    if (step == nullptr) {
      game.run(0);
      game.complete();
      continue;
    }
    ++steps;
    REQUIRE(step->slices.size() == 8);
    REQUIRE(step->rows() == (game.prefilled(8) ? step->rows() : 16));
  }
  REQUIRE(steps == (300 + 8) / 9);
  REQUIRE(game.sampled(1) == before + steps);
}

TEST_CASE("prompts are taken in the order in which they came") {
  BatcherSimulation game({.stages = 1, .rows = 10, .parallel = 2, .context = 128});
  for (SequenceId id = 1; id <= 4; ++id) game.add(id, 20, 1);
  std::vector<SequenceId> ended;
  while (!game.batcher().idle()) {
    game.send();
    game.run(0);
    game.complete();
    for (SequenceId id = 1; id <= 4; ++id) {
      if (game.through(id) && std::find(ended.begin(), ended.end(), id) == ended.end()) ended.push_back(id);
    }
  }
  REQUIRE(ended == std::vector<SequenceId>{1, 2, 3, 4});
}

TEST_CASE("stopping what is not there, or has been stopped, changes nothing", "[bad-input]") {
  BatcherSimulation game({.stages = 2, .rows = 4, .parallel = 2, .context = 64});
  Batcher empty({.stages = 1, .rows = 4, .parallel = 2, .context = 64});
  CHECK_FALSE(empty.stop(1));
  game.add(1, 10, 10);
  while (game.send() != nullptr) {
  }
  game.stop(1);
  game.stop(1);
  REQUIRE(game.send() == nullptr);
  game.finish();
  game.check_end();
}

}  // namespace troupe::testing
