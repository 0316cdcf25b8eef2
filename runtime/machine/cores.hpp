#pragma once

#include <sched.h>

#include <cstddef>
#include <functional>
#include <vector>

namespace troupe {

/// What sched_getaffinity does: fills a set of `bytes`; false where the machine has more processors than that.
using ReadAffinity = std::function<bool(std::size_t bytes, cpu_set_t* set)>;

/// Processors that the calling thread may run on, ascending, however many the machine has; {0} where the system does
/// not say.
[[nodiscard]] std::vector<int> usable_cores();
[[nodiscard]] std::vector<int> usable_cores(const ReadAffinity& read);

/// Puts the calling thread on one core; ignored where the system refuses.
void pin_thread(int core);

}  // namespace troupe
