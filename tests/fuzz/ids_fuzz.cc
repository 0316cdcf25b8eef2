// Any bytes as a list of ids on the command line.
#include "runtime/cli/input.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace troupe::testing {
namespace {

void parse(std::string_view text) {
  try {
    const std::vector<TokenId> ids = cli::parse_ids(text);
    std::string written;
    for (const TokenId id : ids) {
      check(id >= 0);
      written += (written.empty() ? "" : ",") + std::to_string(id);
    }
    if (!ids.empty()) check(cli::parse_ids(written) == ids);
  } catch (const Error& error) {
    check(error.code() == Code::invalid_argument && !error.message().empty());
  }
}

}  // namespace
}  // namespace troupe::testing

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  static const std::string whole[] = {"1,2,3", "[1, 2, 3]", "0\n2147483647\t17"};
  return troupe::testing::mutate(whole, data, size, most, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  troupe::testing::parse(troupe::testing::text_of(data, size));
  return 0;
}
