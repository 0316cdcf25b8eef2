#include "kernels/floating_point.hpp"

#include <catch2/catch.hpp>

#include <cstdint>

#ifdef __x86_64__
#include <xmmintrin.h>
#endif

namespace troupe::kernels::test {
namespace {

#if defined(__x86_64__)
constexpr std::uint64_t by_default = 0x1F80, upset = 0xFFC0;  // denormals flushed, towards zero
std::uint64_t control() { return _mm_getcsr(); }
void set_control(std::uint64_t bits) { _mm_setcsr(static_cast<unsigned>(bits)); }
#elif defined(__aarch64__)
constexpr std::uint64_t by_default = 0, upset = 0x07C80000;  // denormals flushed, towards zero, other halves, one NaN
std::uint64_t control() {
  std::uint64_t bits;
  asm volatile("mrs %0, fpcr" : "=r"(bits));
  return bits;
}
void set_control(std::uint64_t bits) { asm volatile("msr fpcr, %0" : : "r"(bits)); }
#else
constexpr std::uint64_t by_default = 0, upset = 0;
std::uint64_t control() { return 0; }
void set_control(std::uint64_t) {}
#endif

TEST_CASE("every bit of a thread's floating-point mode is set, and put back", "[kernels]") {
  std::uint64_t inside = 1, with_host = 1, after_host = 1;
  set_control(upset);
  const std::uint64_t before = control();
  {
    const FloatingPointScope scope;
    inside = control();
    {
      const HostFloatingPointScope host;
      with_host = control();
    }
    after_host = control();
  }
  const std::uint64_t after = control();
  set_floating_point_mode();
  CHECK(before != by_default);
  CHECK(inside == by_default);
  CHECK(with_host == before);
  CHECK(after_host == by_default);
  CHECK(after == before);  // not every processor has each bit
}

}  // namespace
}  // namespace troupe::kernels::test
