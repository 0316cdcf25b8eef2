#include "runtime/memory/kv_store.hpp"

#include <catch2/catch.hpp>
#include <cstring>

#include "kernels/kv_layout.hpp"
#include "kernels/table.hpp"
#include "runtime/memory/kv_budget.hpp"
#include "runtime/memory/kv_groups.hpp"
#include "runtime/memory/slot_tables.hpp"
#include "tests/seed.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

constexpr std::uint32_t heads = 2, head_dim = 32;

/// Fills a block with the keys and values of 64 positions.
void fill(Random& random, const kernels::KernelTable& kernels, std::byte* block) {
  std::vector<float> k(head_dim), v(head_dim);
  for (std::uint32_t head = 0; head < heads; ++head) {
    for (std::size_t position = 0; position < kernels::kv_block; ++position) {
      for (float& x : k) x = static_cast<float>(random() % 1000) / 500.0F - 1.0F;
      for (float& x : v) x = static_cast<float>(random() % 1000) / 500.0F - 1.0F;
      kernels.kv_append(k.data(), v.data(), head_dim, position, block + head * kernels::kv_head_bytes(head_dim));
    }
  }
}

/// What four rows at the end of these blocks attend to.
std::vector<float> attended(const kernels::KernelTable& kernels, std::byte* const* blocks, std::size_t count) {
  constexpr std::size_t rows = 4, columns = heads * head_dim;
  std::vector<float> q(rows * columns), out(rows * columns);
  for (std::size_t i = 0; i < q.size(); ++i) q[i] = static_cast<float>(i % 7) - 3.0F;
  const std::uint16_t kv_head[] = {0, 1};
  kernels::AttentionArgs args{};
  args.q = q.data();
  args.out = out.data();
  args.q_stride = args.out_stride = columns;
  args.tokens = rows;
  args.first_position = count * kernels::kv_block - rows;
  args.kv_blocks = blocks;
  args.kv_head = kv_head;
  args.heads = heads;
  args.head_dim = head_dim;
  args.scale = 0.2F;
  kernels.attention(args, 0, heads * ((rows + kernels::attention_tile - 1) / kernels::attention_tile));
  return out;
}

SequenceSlice slice_with(std::vector<TableChange> table) {
  SequenceSlice slice;
  slice.slot = 1;
  slice.table = std::move(table);
  return slice;
}

}  // namespace

TEST_CASE("kv store: blocks move head by head to shards with other layers and heads, with the same bits") {
  Random random(first_seed());
  const std::size_t head = kernels::kv_head_bytes(head_dim);
  // Two layers of a group of two heads: one shard with everything, and three that share it out, one head twice.
  const std::vector<KvPlace> whole = {{4, 1, 0, {0, heads}, head_dim}, {6, 1, heads * head, {0, heads}, head_dim}};
  const std::vector<KvPlace> parts[] = {{{4, 1, 0, {0, 1}, head_dim}, {6, 1, head, {0, 2}, head_dim}},
                                        {{4, 1, 0, {1, 2}, head_dim}},
                                        {{6, 1, 0, {1, 2}, head_dim}}};
  for (const kernels::KernelTable* kernels : kernels::tables()) {
    INFO(kernels->name);
    KvStore from({{0, 0}, {2 * heads * head, 8}}, whole), back({{0, 0}, {2 * heads * head, 8}}, whole);
    KvStore shards[] = {KvStore({{0, 0}, {3 * head, 8}}, parts[0]), KvStore({{0, 0}, {head, 8}}, parts[1]),
                        KvStore({{0, 0}, {head, 8}}, parts[2])};
    std::vector<KvMove> there, again;
    for (const std::uint32_t block : {0U, 1U, 2U}) {
      REQUIRE(from.reserve(1, block));
      for (const KvPlace& place : whole) fill(random, *kernels, from.block(1, block) + place.offset);
      there.push_back({1, block, 1, 7 - block});
      again.push_back({1, 7 - block, 1, block + 1});
    }
    HeldKv* const first[] = {&from};
    HeldKv* const between[] = {&shards[0], &shards[1], &shards[2]};
    HeldKv* const last[] = {&back};
    CHECK(move_kv(first, between, there).value() == 3 * 5 * head);
    CHECK(move_kv(between, last, again).value() == 3 * 4 * head);
    for (const KvPlace& place : whole) {
      std::byte *theirs[3], *ours[3];
      for (std::uint32_t block = 0; block < 3; ++block) {
        theirs[block] = from.block(1, block) + place.offset;
        ours[block] = back.block(1, block + 1) + place.offset;
      }
      const std::vector<float> expected = attended(*kernels, theirs, 3), found = attended(*kernels, ours, 3);
      CHECK(std::memcmp(expected.data(), found.data(), found.size() * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("kv store: blocks move to shards that have other positions") {
  const std::size_t head = kernels::kv_head_bytes(head_dim);
  const std::vector<KvPlace> whole = {{0, 0, 0, {0, 1}, head_dim}}, other = {{0, 1, 0, {0, 1}, head_dim}};
  KvStore one({{head, 4}, {0, 0}}, whole), two({{0, 0}, {head, 4}}, other), all({{head, 8}}, whole);
  HeldKv *const parts[] = {&one, &two}, *const alone[] = {&all};
  REQUIRE(one.reserve(0, 3));
  REQUIRE(two.reserve(1, 3));
  one.block(0, 3)[5] = std::byte{1};
  two.block(1, 3)[5] = std::byte{2};
  const KvMove there[] = {{0, 3, 0, 6}, {1, 3, 0, 7}}, back[] = {{0, 6, 1, 0}, {0, 7, 0, 1}};
  CHECK(move_kv(parts, alone, there).value() == 2 * head);
  CHECK(all.block(0, 6)[5] == std::byte{1});
  CHECK(all.block(0, 7)[5] == std::byte{2});
  CHECK(move_kv(alone, parts, back).value() == 2 * head);
  CHECK(two.block(1, 0)[5] == std::byte{1});
  CHECK(one.block(0, 1)[5] == std::byte{2});
}

TEST_CASE("kv store: a block that is not there cannot move", "[bad-input]") {
  const std::vector<KvPlace> place = {{0, 0, 0, {0, 1}, head_dim}};
  KvStore from({{kernels::kv_head_bytes(head_dim), 2}}, place), to({{kernels::kv_head_bytes(head_dim), 2}}, place);
  HeldKv *const first[] = {&from}, *const last[] = {&to};
  const KvMove move[] = {{0, 1, 0, 1}};
  CHECK_FALSE(move_kv(first, last, move));
  CHECK(to.block(0, 1) == nullptr);
  REQUIRE(from.reserve(0, 1));
  CHECK(move_kv(first, last, move).ok());
  const std::vector<KvPlace> other = {{1, 0, 0, {0, 1}, head_dim}};
  KvStore elsewhere({{kernels::kv_head_bytes(head_dim), 2}}, other);
  HeldKv* const wrong[] = {&elsewhere};
  CHECK_FALSE(move_kv(wrong, last, move));
}

TEST_CASE("slot tables: a slot's blocks are what its steps say, and an opened slot has none") {
  KvStore store({{64, 9}, {0, 0}, {128, 9}});
  SlotTables tables = SlotTables::create(3, 2, 6).value();
  tables.open(1);
  REQUIRE(tables.apply(slice_with({{0, 0, {5, 3}}, {1, 0, {1, 2}}, {2, 0, {8, 7}}}), store));
  CHECK(tables.blocks(0, 1)[0] == store.block(0, 5));
  CHECK(tables.blocks(0, 1)[1] == store.block(0, 3));
  CHECK(tables.blocks(1, 1)[0] == nullptr);  // nothing of that group is held here
  CHECK(tables.blocks(2, 1)[1] == store.block(2, 7));
  REQUIRE(tables.apply(slice_with({{0, 1, {4, 2}}, {2, 4, {6}}}), store));
  CHECK(tables.blocks(0, 1)[0] == store.block(0, 5));
  CHECK(tables.blocks(0, 1)[1] == store.block(0, 4));
  CHECK(tables.blocks(0, 1)[2] == store.block(0, 2));
  CHECK(tables.blocks(2, 1)[2] == nullptr);
  CHECK(tables.blocks(2, 1)[4] == store.block(2, 6));
  tables.open(1);
  REQUIRE(tables.apply(slice_with({{0, 2, {1}}}), store));
  CHECK(tables.blocks(0, 1)[0] == nullptr);
  CHECK(tables.blocks(0, 1)[2] == store.block(0, 1));
}

TEST_CASE("slot tables: what another group has stands nowhere, and what a slot had before is not seen there") {
  KvStore store({{64, 9}});
  SlotTables tables = SlotTables::create(1, 2, 6).value();
  tables.open(1);
  REQUIRE(tables.apply(slice_with({{0, 0, {1, 2, 3}}}), store));
  tables.open(1);
  REQUIRE(tables.apply(slice_with({{0, 0, {4, TableChange::none, 5}}}), store));
  CHECK(tables.blocks(0, 1)[0] == store.block(0, 4));
  CHECK(tables.blocks(0, 1)[1] == nullptr);
  CHECK(tables.blocks(0, 1)[2] == store.block(0, 5));
}

TEST_CASE("kv deal: every block has one owner, and what is said of many at once is so") {
  for (const std::uint32_t parts : {1U, 2U, 3U, 5U}) {
    for (const std::uint32_t stretch : {1U, 2U, 8U}) {
      for (std::uint32_t part = 0; part < parts; ++part) {
        const KvDeal deal{stretch, parts, part};
        std::vector<std::uint32_t> own;
        for (std::uint32_t block = 0; block < 100; ++block) {
          REQUIRE(deal.count(block) == own.size());
          if (!deal.has(block)) continue;
          REQUIRE(deal.block(own.size()) == block);
          own.push_back(block);
        }
        for (std::uint32_t length = 0; length < 60; ++length) {
          std::uint32_t most = 0;
          for (std::uint32_t from = 0; from < 40; ++from) {
            most = std::max(most, deal.count(from + length) - deal.count(from));
          }
          REQUIRE(deal.most(length) == most);
        }
      }
    }
  }
  CHECK(kv_deal(8192, 1) == KvDeal{});
  CHECK(kv_deal(8192, 2, 1) == KvDeal{8, 2, 1});
  CHECK(kv_deal(8193, 2, 1) == KvDeal{16, 2, 1});
  CHECK(kv_deal(64, 4, 3) == KvDeal{1, 4, 3});
}

TEST_CASE("kv budget: positions that are dealt out take the same room, in parts") {
  KvDemand demand{{0, 0, 512, 512}, {1000, 1000, 3000, 3000}, 8192, 16, 512, 2};
  const auto groups = cut_kv(demand, 0).value();
  CHECK(groups[0].blocks == 16 * 64);
  CHECK(groups[1].per_sequence == 64);
  CHECK(groups[1].deal == KvDeal{8, 2, 1});
  CHECK(groups[2].per_sequence == 9);  // of 17 in a row
  const std::uint64_t whole = kv_bytes(groups, demand.block_bytes);
  const auto bounded = cut_kv(demand, whole / 3);
  REQUIRE(bounded);
  CHECK(kv_bytes(*bounded, demand.block_bytes) <= whole / 3);
  CHECK((*bounded)[0].blocks >= 64);
  demand.context = 8193;  // 129 blocks, dealt out by 16
  const auto longer = cut_kv(demand, 0).value();
  CHECK(longer[0].per_sequence == 65);
}

TEST_CASE("kv budget: without a bound there is room for all, and of a window only what is seen") {
  const KvDemand demand{{0, 512}, {1000, 3000}, 8192, 16, 512};
  const auto groups = cut_kv(demand, 0).value();
  CHECK(groups[0].blocks == 16 * 128);
  CHECK(groups[0].per_sequence == 128);
  CHECK(groups[1].per_sequence == 17);
  CHECK(groups[1].blocks == 16 * 17);
}

TEST_CASE("kv budget: what a bound allows is used, and not passed") {
  Random random(first_seed());
  for (int i = 0; i < 2000; ++i) {
    KvDemand demand{{0, 1 + random() % 600}, {1 + random() % 5000, 1 + random() % 5000}, 1, 1, 1};
    if (random() % 4 == 0) demand = {{1 + random() % 600}, {1 + random() % 5000}, 1, 1, 1};
    demand.context = 1 + random() % 9000;
    demand.parallel = 1 + random() % 20;
    demand.rows = 1 + random() % 600;
    const auto all = cut_kv(demand, 0).value();
    const std::uint64_t whole = kv_bytes(all, demand.block_bytes), bound = 1 + random() % (2 * whole);
    const auto groups = cut_kv(demand, bound);
    if (!groups) {
      const std::string said = groups.error().message();
      REQUIRE(groups.error().code() == Code::invalid_argument);
      REQUIRE_THAT(said, Contains("kv_memory is " + std::to_string(bound)));
      const std::size_t at = said.find("a context of ");
      if (at == std::string::npos) continue;
      demand.context = static_cast<std::uint32_t>(std::stoul(said.substr(at + 13)));
      REQUIRE(cut_kv(demand, bound));  // as it says
      continue;
    }
    REQUIRE(kv_bytes(*groups, demand.block_bytes) <= bound);
    REQUIRE(KvPool(*groups, true).most_positions() >= demand.context);
    if (bound >= whole) REQUIRE(kv_bytes(*groups, demand.block_bytes) == whole);
    for (std::size_t g = 0; g < groups->size(); ++g) REQUIRE((*groups)[g].blocks >= (*groups)[g].per_sequence);
  }
}

TEST_CASE("kv budget: what no machine has is refused", "[bad-input]") {
  const KvDemand demand{{0}, {std::uint64_t{1} << 40}, 1U << 24, 1024, 512};
  CHECK_THAT(cut_kv(demand, 0).error().message(), Contains("2^56"));
  CHECK_THAT(cut_kv(demand, UINT64_MAX).error().message(), Contains("one sequence of 16777216 positions"));
}

}  // namespace troupe::testing
