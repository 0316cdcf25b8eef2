#include "tests/kernels/tables.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <vector>

#ifdef TROUPE_EMULATED_AVX512
namespace troupe::kernels::avx512_emulated {
extern const KernelTable table;
}
#endif

namespace troupe::kernels::test {
namespace {

std::vector<const KernelTable*> all_tables() {
  std::vector<const KernelTable*> all(tables().begin(), tables().end());
#ifdef TROUPE_EMULATED_AVX512
  if (avx512_emulated::table.runs_here()) all.push_back(&avx512_emulated::table);
#endif
  return all;
}

}  // namespace

std::span<const KernelTable* const> tested_tables() {
  static const std::vector<const KernelTable*> all = all_tables();
  return all;
}

// Hidden, for who says what processor this is: see tests/arm64.
TEST_CASE("the best kernels are those of the processor's level", "[.][level]") {
  const char* const level = std::getenv("TROUPE_LEVEL");
  REQUIRE(level != nullptr);
  CHECK(find_table()->name == level);
}

#ifdef TROUPE_EMULATED_AVX512
TEST_CASE("AVX-512 is emulated where it is missing", "[kernels]") {
  if (find_table("avx2") == nullptr) {
    WARN("skipped: this processor has no AVX2");
    return;
  }
  CHECK(tested_tables().back() == &avx512_emulated::table);
  CHECK(find_table(avx512_emulated::table.name) == nullptr);
}
#endif

}  // namespace troupe::kernels::test
