#include "tests/c/random_calls.hpp"

#include <catch2/catch.hpp>
#include <vector>

#include "tests/seed.hpp"

namespace troupe::testing {

TEST_CASE("C: random calls on random handles break nothing", "[bad-input]") {
  CAPTURE(first_seed());
  Random random(first_seed());
  std::size_t calls = 0;
  for (int world = 0; world < 20; ++world) {
    std::vector<std::uint8_t> bytes(2000);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    calls += call_at_random(bytes);
  }
  CHECK(calls > 2000);
}

}  // namespace troupe::testing
