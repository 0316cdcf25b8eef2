#include "runtime/machine/core_ledger.hpp"

#include <algorithm>
#include <numeric>

namespace troupe {
namespace {

bool meet(const std::vector<int>& a, const std::vector<int>& b) {
  return std::find_first_of(a.begin(), a.end(), b.begin(), b.end()) != a.end();
}

}  // namespace

CoreLedger::Leases CoreLedger::enter(const std::vector<std::size_t>& threads, const std::vector<int>& cores,
                                     std::uint32_t quota) {
  const std::size_t all = std::accumulate(threads.begin(), threads.end(), std::size_t{0});
  const std::size_t most_busy = std::min<std::size_t>(cores.size(), quota);
  Leases leases;
  leases.reserve(threads.size());  // none ends while the lock is held, which its end takes
  const std::lock_guard lock(mutex_);
  const bool pinned = all == cores.size() && all + threads_on(cores) <= most_busy;
  auto core = cores.begin();
  for (const std::size_t each : threads) {
    std::vector<int> mine;
    if (pinned) mine.assign(core, core + static_cast<std::ptrdiff_t>(each));
    if (pinned) core += static_cast<std::ptrdiff_t>(each);
    std::list<Entry> entry;
    entry.emplace_back(each, cores, most_busy);
    leases.push_back(std::make_shared<const Lease>(shared_from_this(), entry.begin(), std::move(mine)));
    entries_.splice(entries_.end(), entry);
  }
  note_crowds();
  return leases;
}

void CoreLedger::leave(std::list<Entry>::iterator entry) {
  const std::lock_guard lock(mutex_);
  entries_.erase(entry);
  note_crowds();
}

/// Precondition: mutex_ is held.
void CoreLedger::note_crowds() {
  for (Entry& entry : entries_) entry.crowded = threads_on(entry.cores) > entry.most_busy;
}

/// Precondition: mutex_ is held.
std::size_t CoreLedger::threads_on(const std::vector<int>& cores) const {
  std::size_t sum = 0;
  for (const Entry& entry : entries_) sum += meet(entry.cores, cores) ? entry.threads : 0;
  return sum;
}

}  // namespace troupe
