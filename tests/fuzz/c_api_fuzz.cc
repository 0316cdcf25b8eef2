// Calls the C API in any order, on any handle, and counts the calls.
#include <cstdio>
#include <cstdlib>

#include "tests/c/random_calls.hpp"

namespace {

std::size_t calls = 0;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  return std::atexit([] { std::fprintf(stderr, "stat::number_of_calls: %zu\n", calls); });
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  calls += troupe::testing::call_at_random({data, size});
  return 0;
}
