#include "kernels/table.hpp"

#include "kernels/reference/kernels.hpp"

#ifdef __x86_64__
#include <cpuid.h>

#include "kernels/cpu/avx2_kernels.hpp"
#include "kernels/cpu/avx512_kernels.hpp"
#endif

namespace troupe::kernels {
namespace {

constexpr std::size_t most_tables = 3;

struct Tables {
  const KernelTable* entries[most_tables];
  std::size_t count;
};

#ifdef __x86_64__

/// clang's __builtin_cpu_supports does not know F16C.
bool has_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c(); }

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}

Tables detect() {
  __builtin_cpu_init();
  Tables found{{&reference::table}, 1};
  if (!has_avx2()) return found;
  found.entries[found.count++] = &avx2::table;
  if (has_avx512()) found.entries[found.count++] = &avx512::table;
  return found;
}

#else

Tables detect() { return {{&reference::table}, 1}; }

#endif

}  // namespace

std::span<const KernelTable* const> tables() {
  static const Tables found = detect();
  return {found.entries, found.count};
}

const KernelTable* find_table(std::string_view name) {
  if (name.empty()) return tables().back();
  for (const KernelTable* table : tables()) {
    if (table->name == name) return table;
  }
  return nullptr;
}

}  // namespace troupe::kernels
