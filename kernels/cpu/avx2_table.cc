#include <cpuid.h>

#include "kernels/cpu/avx2_kernels.hpp"

namespace troupe::kernels::avx2 {
namespace {

/// clang's __builtin_cpu_supports does not know F16C.
bool has_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

bool runs_here() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}

constexpr std::string_view table_name = "avx2";

}  // namespace

#include "kernels/fill_table.inl"

}  // namespace troupe::kernels::avx2
