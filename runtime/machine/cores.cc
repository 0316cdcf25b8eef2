#include "runtime/machine/cores.hpp"

#include <pthread.h>

#include <memory>

namespace troupe {
namespace {

constexpr std::size_t least_processors = 1024, most_processors = std::size_t{1} << 22;

struct FreeSet {
  void operator()(cpu_set_t* set) const { CPU_FREE(set); }
};
using Set = std::unique_ptr<cpu_set_t, FreeSet>;

Set empty_set(std::size_t processors) {
  Set set(CPU_ALLOC(processors));
  if (set) CPU_ZERO_S(CPU_ALLOC_SIZE(processors), set.get());
  return set;
}

}  // namespace

std::vector<int> usable_cores(const ReadAffinity& read) {
  for (std::size_t processors = least_processors; processors <= most_processors; processors *= 2) {
    const std::size_t bytes = CPU_ALLOC_SIZE(processors);
    const Set set = empty_set(processors);
    if (!set) break;
    if (!read(bytes, set.get())) continue;
    std::vector<int> cores;
    for (std::size_t core = 0; core < processors; ++core) {
      if (CPU_ISSET_S(core, bytes, set.get())) cores.push_back(static_cast<int>(core));
    }
    return cores;
  }
  return {0};
}

std::vector<int> usable_cores() {
  return usable_cores([](std::size_t bytes, cpu_set_t* set) { return sched_getaffinity(0, bytes, set) == 0; });
}

void pin_thread(int core) {
  const auto processors = static_cast<std::size_t>(core) + 1;
  const Set set = empty_set(processors);
  if (!set) return;
  CPU_SET_S(static_cast<std::size_t>(core), CPU_ALLOC_SIZE(processors), set.get());
  pthread_setaffinity_np(pthread_self(), CPU_ALLOC_SIZE(processors), set.get());
}

}  // namespace troupe
