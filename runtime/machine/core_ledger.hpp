#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

namespace troupe {

/// Which threads run on which cores, of all models of a runtime together. Any thread.
class CoreLedger : public std::enable_shared_from_this<CoreLedger> {
 private:
  struct Entry {
    std::size_t threads;
    std::vector<int> cores;
  };

 public:
  /// A model's entry, for as long as its threads live.
  class Lease {
   public:
    Lease(std::shared_ptr<CoreLedger> ledger, std::list<Entry>::iterator entry, bool pinned, bool crowded);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    /// The cores to pin the threads to, one each; empty: none.
    [[nodiscard]] std::vector<int> pinned() const { return pinned_ ? entry_->cores : std::vector<int>(); }

    /// Whether threads outnumber the cores, so that who waits had better sleep at once.
    [[nodiscard]] bool crowded() const { return crowded_; }

   private:
    std::shared_ptr<CoreLedger> ledger_;
    std::list<Entry>::iterator entry_;
    bool pinned_, crowded_;
  };

  /// Enters `threads` that may run on `cores`, of which as many as `quota` can be busy. Threads that fill the cores
  /// exactly are pinned, unless others of this runtime run there.
  [[nodiscard]] std::shared_ptr<const Lease> enter(std::size_t threads, std::vector<int> cores, std::uint32_t quota);

 private:
  std::mutex mutex_;
  std::list<Entry> entries_;
};

}  // namespace troupe
