#include "runtime/memory/kv_pool.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "runtime/memory/kv_groups.hpp"
#include "tests/seed.hpp"

namespace troupe::testing {
namespace {

constexpr std::uint32_t block_size = kernels::kv_block;

std::vector<TokenId> some_tokens(std::size_t count, TokenId from = 0) {
  std::vector<TokenId> tokens(count);
  for (std::size_t i = 0; i < count; ++i) tokens[i] = from + static_cast<TokenId>(i);
  return tokens;
}

/// What a position's keys and values come to: a function of the tokens up to it, and here of the salt, so that what has
/// passed from one to another shows.
using Content = std::string;

struct Sequence {
  std::vector<TokenId> tokens;
  std::string salt;
  std::uint32_t position = 0;
  KvTable table;
  [[nodiscard]] Content content(std::uint32_t at) const {
    std::string text = salt + ":";
    for (std::uint32_t i = 0; i <= at; ++i) text += std::to_string(tokens[i]) + ",";
    return text;
  }
};

/// The same groups with positions dealt out anew, to three at most.
std::vector<KvGroup> dealt_out(const std::vector<KvGroup>& groups, Random& random) {
  const std::uint32_t parts = 1 + random() % 3, stretch = 1U << random() % 3;
  std::vector<KvGroup> dealt;
  for (const KvGroup& group : groups) {
    for (std::uint32_t part = 0; part < parts && group.deal.part == 0; ++part) {
      dealt.push_back(group);
      dealt.back().deal = {parts == 1 ? 1 : stretch, parts, part};
    }
  }
  return dealt;
}

/// A pool, and beside it a memory into which what sequences compute is written. All that a pool promises is checked as
/// it happens.
class Game {
 public:
  Game(Random& random, std::vector<KvGroup> groups, bool prefix_cache)
      : random_(random), groups_(groups), pool_(groups, prefix_cache), memory_(groups.size()) {}

  void begin() {
    Sequence sequence;
    const bool like_another = !sequences_.empty() && random_() % 3 != 0;
    if (like_another) sequence.tokens = any().tokens;
    sequence.tokens.resize(random_() % (sequence.tokens.size() + 1));
    const std::size_t length = 1 + random_() % 400;
    while (sequence.tokens.size() < length) sequence.tokens.push_back(static_cast<TokenId>(random_() % 2));
    sequence.salt = random_() % 4 == 0 ? "other" : "";
    sequence.table = pool_.table();
    sequences_.push_back(std::move(sequence));
  }

  void advance() {
    if (sequences_.empty()) return;
    Sequence& mine = any();
    const auto length = static_cast<std::uint32_t>(mine.tokens.size());
    if (mine.position == length) return end(mine);
    const std::uint32_t before = mine.position;
    mine.position = pool_.match(mine.tokens, mine.salt, before, length - 1, mine.table);
    hits += mine.position > before ? 1 : 0;
    REQUIRE(mine.position >= before);
    REQUIRE((mine.position == before || mine.position % block_size == 0));
    std::uint32_t end = mine.position + 1 + random_() % 130;
    end = std::min(end, length);
    pool_.leave_window(mine.table, mine.position);
    const std::uint32_t reach = pool_.reach(mine.table);
    const bool had = pool_.extend(mine.table, end);
    REQUIRE(had == (reach >= end));
    if (!had) return (void)(random_() % 2 == 0 ? give_back(mine) : end_of(any()));
    compute(mine, end);
    if (random_() % 4 != 0) pool_.publish({mine.tokens.data(), mine.position}, mine.salt, mine.table);
  }

  /// Another pool takes the place of this one, perhaps a smaller one, and what it takes over is copied to another
  /// memory. What sequences had held they have to find there.
  void change_pools() {
    groups_ = dealt_out(groups_, random_);
    if (random_() % 2 == 0) {
      for (KvGroup& group : groups_) group.blocks -= random_() % (group.blocks / 2);
    }
    KvPool next(groups_, true);
    std::vector<Memory> memory(groups_.size());
    std::set<std::pair<std::uint32_t, std::uint32_t>> filled;
    const std::size_t most_unheld = random_() % 3 == 0 ? random_() % 4 : SIZE_MAX;
    for (const KvMove& move : next.take_over(pool_, most_unheld)) {
      REQUIRE(move.to < groups_[move.to_group].blocks);
      REQUIRE(filled.insert({move.to_group, move.to}).second);
      for (std::uint32_t place = 0; place < block_size; ++place) {
        memory[move.to_group][{move.to, place}] = memory_[move.group].at({move.from, place});
      }
    }
    carried += filled.size();
    REQUIRE(next.stats().cached == filled.size());
    for (Sequence& each : sequences_) {
      each.position = 0;
      each.table = next.table();
    }
    pool_ = std::move(next);
    memory_ = std::move(memory);
  }

  void check() {
    KvStats expected;
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      std::set<std::uint32_t> held;
      for (const Sequence& each : sequences_) {
        for (const std::uint32_t block : each.table.groups[g].blocks) {
          if (block != KvTable::none) held.insert(block);
        }
      }
      expected.blocks += groups_[g].blocks;
      expected.held += held.size();
      REQUIRE(pool_.available(static_cast<std::uint32_t>(g)) == groups_[g].blocks - held.size());
    }
    REQUIRE(pool_.stats().blocks == expected.blocks);
    REQUIRE(pool_.stats().held == expected.held);
  }

  void finish() {
    while (!sequences_.empty()) end_of(sequences_.back());
    check();
    REQUIRE(pool_.stats().held == 0);
    if (groups_[0].window != 0) return;
    KvTable all = pool_.table();  // whatever is cached goes for who needs it
    REQUIRE(pool_.extend(all, std::min(pool_.reach(all), 4096U)));
    pool_.release(all);
  }

  std::size_t hits = 0, carried = 0;

 private:
  using Memory = std::map<std::pair<std::uint32_t, std::uint32_t>, Content>;  ///< by block and place
  Sequence& any() { return sequences_[random_() % sequences_.size()]; }
  void end_of(Sequence& sequence) {
    pool_.release(sequence.table);
    std::swap(sequence, sequences_.back());
    sequences_.pop_back();
  }
  void end(Sequence& sequence) {
    if (random_() % 2 == 0) pool_.publish(sequence.tokens, sequence.salt, sequence.table);
    end_of(sequence);
  }
  void give_back(Sequence& sequence) {
    pool_.release(sequence.table);
    sequence.position = 0;
  }

  /// Rows [position, end) are written, where nobody else looks, and see what is theirs.
  void compute(Sequence& mine, std::uint32_t end) {
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      const auto& blocks = mine.table.groups[g].blocks;
      for (std::uint32_t p = mine.position; p < end; ++p) {
        const std::uint32_t block = blocks[p / block_size];
        if (!groups_[g].deal.has(p / block_size)) {
          REQUIRE(block == KvTable::none);
          continue;
        }
        REQUIRE(block < groups_[g].blocks);
        for (const Sequence& other : sequences_) {
          if (&other == &mine) continue;
          const auto& theirs = other.table.groups[g].blocks;
          REQUIRE(std::find(theirs.begin(), theirs.end(), block) == theirs.end());
        }
        memory_[g][{block, p % block_size}] = mine.content(p);
      }
      for (const std::uint32_t p : {mine.position, end - 1}) {
        const std::uint32_t window = groups_[g].window;
        for (std::uint32_t seen = window == 0 || p < window ? 0 : p - window + 1; seen <= p; ++seen) {
          if (!groups_[g].deal.has(seen / block_size)) continue;
          REQUIRE(memory_[g].at({blocks[seen / block_size], seen % block_size}) == mine.content(seen));
        }
      }
    }
    mine.position = end;
  }

  Random& random_;
  std::vector<KvGroup> groups_;
  KvPool pool_;
  std::vector<Sequence> sequences_;
  std::vector<Memory> memory_;  ///< [groups]
};

std::vector<KvGroup> random_groups(Random& random) {
  std::vector<KvGroup> groups;
  const std::uint32_t blocks = 7 + random() % 20;
  if (random() % 4 != 0) groups.push_back({0, blocks, blocks});
  if (groups.empty() || random() % 2 == 0) groups.push_back({1 + random() % 200, 7 + random() % blocks, blocks});
  return random() % 2 == 0 ? groups : dealt_out(groups, random);
}

}  // namespace

TEST_CASE("kv pool: whatever sequences do, each finds what is its own, and nothing is lost") {
  std::size_t hits = 0;
  for (std::uint32_t seed = first_seed(); seed < first_seed() + 60; ++seed) {
    INFO("seed " << seed);
    Random random(seed);
    Game game(random, random_groups(random), random() % 4 != 0);
    for (int turn = 0; turn < 120; ++turn) {
      random() % 5 == 0 ? game.begin() : game.advance();
      game.check();
    }
    game.finish();
    hits += game.hits;
  }
  CHECK(hits > 100);
}

TEST_CASE("kv pool: another pool knows what one knew, as far as it has room") {
  std::size_t hits = 0, carried = 0;
  for (std::uint32_t seed = first_seed(); seed < first_seed() + 60; ++seed) {
    INFO("seed " << seed);
    Random random(seed);
    Game game(random, random_groups(random), true);
    for (int turn = 0; turn < 120; ++turn) {
      random() % 5 == 0 ? game.begin() : game.advance();
      if (random() % 20 == 0) game.change_pools();
      game.check();
    }
    game.finish();
    hits += game.hits;
    carried += game.carried;
  }
  CHECK(hits > 100);
  CHECK(carried > 100);
}

TEST_CASE("kv pool: of another's blocks the held ones come first, of texts the beginnings, then the latest") {
  const auto tokens = [](TokenId from) { return some_tokens(256, from); };
  KvPool full({{0, 20, 20}}, true);
  for (const TokenId from : {1000, 2000}) {
    KvTable table = full.table();
    REQUIRE(full.extend(table, 256));
    full.publish(tokens(from), "", table);
    full.release(table);
  }
  KvTable held[2] = {full.table(), full.table()};
  for (const int i : {0, 1}) {
    REQUIRE(full.extend(held[i], 256));
    full.publish(tokens(3000 + i * 1000), "", held[i]);
  }
  const auto found = [&](std::uint32_t blocks, TokenId from) {
    KvPool small({{0, blocks, blocks}}, true);
    CHECK(small.take_over(full).size() == std::min(blocks, 16U));
    KvTable table = small.table();
    return small.match(tokens(from), "", 0, 256, table) / block_size;
  };
  CHECK(found(4, 3000) == 2);
  CHECK(found(4, 4000) == 2);
  CHECK(found(10, 3000) == 4);
  CHECK(found(10, 2000) == 2);
  CHECK(found(10, 1000) == 0);
  CHECK(found(20, 1000) == 4);
  KvPool few({{0, 20, 20}}, true);
  CHECK(few.take_over(full, 3).size() == 8 + 3);
  KvPool none({{0, 20, 20}}, false);
  CHECK(none.take_over(full).empty());
}

TEST_CASE("kv pool: a prompt finds the whole blocks that another one left, and no more") {
  for (std::uint32_t length = 1; length <= 200; ++length) {
    KvPool pool({{0, 8, 8}}, true);
    KvTable first = pool.table(), second = pool.table();
    const std::vector<TokenId> tokens = some_tokens(length);
    REQUIRE(pool.extend(first, length));
    pool.publish(tokens, "", first);
    pool.release(first);
    REQUIRE(pool.stats().cached == length / block_size);
    std::vector<TokenId> longer = tokens;
    longer.push_back(-1);
    CHECK(pool.match(longer, "", 0, length, second) == length / block_size * block_size);
    CHECK(pool.stats().held == length / block_size);
    pool.release(second);
    // The last token is always computed, for its logits.
    CHECK(pool.match(tokens, "", 0, length - 1, second) == (length - 1) / block_size * block_size);
  }
}

TEST_CASE("kv pool: of a window only what a next row sees is needed") {
  const std::vector<TokenId> tokens = some_tokens(640);
  for (const std::uint32_t window : {1U, 64U, 65U, 100U, 128U}) {
    INFO("window " << window);
    KvPool pool({{0, 20, 20}, {window, 20, 20}}, true);
    KvTable first = pool.table();
    for (std::uint32_t position = 0; position < 640; position += 64) {
      pool.leave_window(first, position);
      REQUIRE(pool.extend(first, position + 64));
      CHECK(pool.stats().held - (position / 64 + 1) <= (window + 62) / 64 + 1);
      pool.publish({tokens.data(), position + 64}, "", first);
    }
    pool.release(first);
    KvTable second = pool.table();
    CHECK(pool.match(tokens, "", 0, 639, second) == 576);
    CHECK(second.groups[1].begin == first_kv_block(576, window));
    CHECK(pool.stats().held == 9 + 9 - first_kv_block(576, window));
  }
}

TEST_CASE("kv pool: the least recently used goes first, and of a prompt its end") {
  KvPool pool({{0, 6, 6}}, true);
  const auto put = [&](TokenId from) {
    KvTable table = pool.table();
    REQUIRE(pool.extend(table, 128));
    pool.publish(some_tokens(128, from), "", table);
    pool.release(table);
  };
  const auto known = [&](TokenId from) {
    KvTable table = pool.table();
    const std::uint32_t found = pool.match(some_tokens(129, from), "", 0, 128, table);
    pool.release(table);
    return found;
  };
  put(1000);
  put(2000);
  put(3000);
  REQUIRE(known(1000) == 128);  // used again: 2000 is the oldest now
  KvTable table = pool.table();
  REQUIRE(pool.extend(table, 64));
  CHECK(known(2000) == 64);
  CHECK(known(3000) == 128);
  CHECK(known(1000) == 128);
}

TEST_CASE("kv pool: salts share nothing, and a cache that is off finds nothing") {
  for (const bool on : {true, false}) {
    KvPool pool({{0, 8, 8}}, on);
    KvTable first = pool.table(), second = pool.table();
    REQUIRE(pool.extend(first, 100));
    pool.publish(some_tokens(100), "tenant", first);
    CHECK(pool.match(some_tokens(100), "", 0, 99, second) == 0);
    CHECK(pool.match(some_tokens(100), "tenant2", 0, 99, second) == 0);
    CHECK(pool.match(some_tokens(100), "tenant", 0, 99, second) == (on ? 64 : 0));
  }
}

TEST_CASE("kv pool: two who compute the same side by side come together") {
  KvPool pool({{0, 8, 8}}, true);
  const std::vector<TokenId> tokens = some_tokens(257);
  KvTable first = pool.table(), second = pool.table();
  REQUIRE(pool.extend(first, 192));
  REQUIRE(pool.extend(second, 100));  // in its second block when the first one's come back
  pool.publish({tokens.data(), 192}, "", first);
  CHECK(pool.match(tokens, "", 100, 256, second) == 192);
  CHECK(second.groups[0].blocks == first.groups[0].blocks);
  CHECK(pool.stats().held == 3);
}

TEST_CASE("kv pool: positions that a sequence can have alone") {
  CHECK(KvPool({{0, 5, 9}}, true).most_positions() == 320);
  CHECK(KvPool({{0, 100, 100}, {512, 9, 20}}, true).most_positions() == 6400);
  CHECK(KvPool({{0, 100, 100}, {512, 8, 20}}, true).most_positions() == 512);
  CHECK(KvPool({{512, 9, 20}}, true).most_positions() == UINT32_MAX);
}

}  // namespace troupe::testing
