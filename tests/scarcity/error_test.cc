#include <catch2/catch.hpp>

#include "tests/scarcity/refusal.hpp"
#include "troupe/error.hpp"

namespace troupe::testing {

TEST_CASE("errors are copied, and short ones made, without memory", "[bad-input]") {
  const Error line(Code::aborted, "a line that is too long to lie within its string");
  Refusal::allocation(1);
  const Error copy = line, second = copy, small(Code::out_of_memory, "out of memory");
  const bool refused = Refusal::end();
  CHECK_FALSE(refused);
  CHECK(second.message() == line.message());
  CHECK(small.message() == "out of memory");
}

TEST_CASE("an error that has been moved from has an empty line", "[bad-input]") {
  Error from(Code::failed, "a line that is too long to lie within its string");
  const Error to = std::move(from);
  CHECK(from.message().empty());
  CHECK(std::string(to.what()) == to.message());
}

}  // namespace troupe::testing
