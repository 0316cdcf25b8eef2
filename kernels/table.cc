#include "kernels/table.hpp"

#include <iterator>

// The instruction sets, slowest first: namespaces that have a `table`.
#ifdef __x86_64__
#define TROUPE_INSTRUCTION_SETS(SET) \
  SET(reference)                     \
  SET(avx2)                          \
  SET(avx512)
#elif defined(__aarch64__)
#define TROUPE_INSTRUCTION_SETS(SET) \
  SET(reference)                     \
  SET(neon)                          \
  SET(dotprod)                       \
  SET(i8mm)
#else
#define TROUPE_INSTRUCTION_SETS(SET) SET(reference)
#endif

namespace troupe::kernels {

#define TROUPE_DECLARE(set)       \
  namespace set {                 \
  extern const KernelTable table; \
  }
TROUPE_INSTRUCTION_SETS(TROUPE_DECLARE)

namespace {

#define TROUPE_ENTRY(set) &set::table,
constexpr const KernelTable* every_table[] = {TROUPE_INSTRUCTION_SETS(TROUPE_ENTRY)};

struct Tables {
  const KernelTable* entries[std::size(every_table)];
  std::size_t count = 0;
};

Tables detect() {
  Tables found{};
  for (const KernelTable* table : every_table) {
    if (table->runs_here()) found.entries[found.count++] = table;
  }
  return found;
}

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
