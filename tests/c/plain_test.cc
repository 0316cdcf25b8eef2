#include "tests/c/plain.h"
#include "tests/c/c_api.hpp"

namespace troupe::testing {

TEST_CASE("C: a host in C11 loads, streams and gets logits") {
  int tokens = 0;
  std::uint32_t positions = 0;
  succeeds([&](auto* error) { return plain_host(tiny_path().c_str(), &tokens, &positions, error); });
  CHECK(tokens == 12);
  CHECK(positions == 1 + 2 + 3);
  fails(TROUPE_NOT_FOUND, "/no/such", [&](auto* error) { return plain_host("/no/such", &tokens, &positions, error); });
}

}  // namespace troupe::testing
