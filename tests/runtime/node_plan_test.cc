#include "runtime/device/cpu/node_plan.hpp"

#include <catch2/catch.hpp>
#include <numeric>

#include "kernels/kv_layout.hpp"
#include "runtime/program/rank_grid.hpp"
#include "tests/seed.hpp"

namespace troupe::testing {
namespace {

/// Stretches of a part that a row sees, position by position.
std::uint32_t stretches_seen(std::uint32_t position, std::uint32_t window, const KvDeal& deal) {
  std::uint32_t count = 0, last = UINT32_MAX;
  for (std::uint32_t p = window == 0 || position < window ? 0 : position - window + 1; p <= position; ++p) {
    const auto block = static_cast<std::uint32_t>(p / kernels::kv_block);
    if (deal.has(block) && block / deal.stretch != last) {
      last = block / deal.stretch;
      ++count;
    }
  }
  return count;
}

}  // namespace

TEST_CASE("node plan: each rank gives what the others take, a node for each stretch that a row sees") {
  for (std::uint32_t seed = first_seed(); seed < first_seed() + 30; ++seed) {
    INFO("seed " << seed);
    Random random(seed);
    const std::uint32_t parts = 2 + random() % 3, stretch = 1U << random() % 3;
    const std::uint32_t window = random() % 2 == 0 ? 0 : 1 + random() % 600;
    std::vector<std::uint32_t> positions(random() % 40);
    for (std::uint32_t& position : positions) position = random() % 2000;
    std::vector<NodePlan> plans(parts);
    for (std::uint32_t rank = 0; rank < parts; ++rank) {
      plans[rank].window = window;
      plans[rank].plan(positions, {stretch, parts, rank});
    }
    for (std::uint32_t rank = 0; rank < parts; ++rank) {
      const KvDeal deal{stretch, parts, rank};
      std::uint32_t next = 0;
      for (std::uint32_t row = 0; row < positions.size(); ++row) {
        REQUIRE(plans[rank].found[row] == next);
        next += stretches_seen(positions[row], window, deal);
      }
      for (std::uint32_t to = 0; to < parts; ++to) {
        REQUIRE(plans[rank].gives[to] == plans[to].takes[rank]);
        const Range theirs = even_part(static_cast<std::uint32_t>(positions.size()), to, parts);
        std::size_t before = std::accumulate(plans[to].takes.begin(), plans[to].takes.begin() + rank, std::size_t{0});
        for (std::uint32_t row = 0; row < theirs.size(); ++row) {
          REQUIRE(plans[to].gathered[row * parts + rank] == before);
          before += stretches_seen(positions[theirs.first + row], window, deal);
        }
      }
    }
  }
}

}  // namespace troupe::testing
