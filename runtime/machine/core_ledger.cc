#include "runtime/machine/core_ledger.hpp"

#include <algorithm>

namespace troupe {
namespace {

bool meet(const std::vector<int>& a, const std::vector<int>& b) {
  return std::find_first_of(a.begin(), a.end(), b.begin(), b.end()) != a.end();
}

}  // namespace

CoreLedger::Lease::Lease(std::shared_ptr<CoreLedger> ledger, std::list<Entry>::iterator entry, bool pinned,
                         bool crowded)
    : ledger_(std::move(ledger)), entry_(entry), pinned_(pinned), crowded_(crowded) {}

CoreLedger::Lease::~Lease() {
  const std::lock_guard lock(ledger_->mutex_);
  ledger_->entries_.erase(entry_);
}

std::shared_ptr<const CoreLedger::Lease> CoreLedger::enter(std::size_t threads, std::vector<int> cores,
                                                           std::uint32_t quota) {
  std::list<Entry> entry;
  entry.push_back({threads, std::move(cores)});
  const std::size_t count = entry.front().cores.size();
  const std::lock_guard lock(mutex_);
  std::size_t others = 0;
  for (const Entry& other : entries_) others += meet(other.cores, entry.front().cores) ? other.threads : 0;
  const bool crowded = others + threads > std::min<std::size_t>(count, quota);
  auto lease = std::make_shared<const Lease>(shared_from_this(), entry.begin(), threads == count && !crowded, crowded);
  entries_.splice(entries_.end(), entry);
  return lease;
}

}  // namespace troupe
