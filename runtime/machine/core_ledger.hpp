#pragma once

#include <atomic>
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
    Entry(std::size_t how_many, std::vector<int> where, std::size_t at_once)
        : threads(how_many), cores(std::move(where)), most_busy(at_once) {}
    std::size_t threads;
    std::vector<int> cores;
    std::size_t most_busy;  ///< of the cores
    std::atomic<bool> crowded{false};
  };

 public:
  /// A replica's entry, for as long as its threads live, or are about to come back.
  class Lease {
   public:
    Lease(std::shared_ptr<CoreLedger> ledger, std::list<Entry>::iterator entry, std::vector<int> pinned)
        : ledger_(std::move(ledger)), entry_(entry), pinned_(std::move(pinned)) {}
    ~Lease() { ledger_->leave(entry_); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    /// The cores to pin the threads to, one each; empty: none.
    [[nodiscard]] const std::vector<int>& pinned() const { return pinned_; }

    /// Whether threads outnumber the cores, so that who waits had better sleep at once. Changes as others come and go.
    [[nodiscard]] const std::atomic<bool>& crowded() const { return entry_->crowded; }

   private:
    std::shared_ptr<CoreLedger> ledger_;
    std::list<Entry>::iterator entry_;
    std::vector<int> pinned_;
  };
  using Leases = std::vector<std::shared_ptr<const Lease>>;

  /// Enters replicas of so many threads, that may run on `cores`, of which as many as `quota` can be busy. Threads that
  /// together fill the cores exactly are pinned, unless others of this runtime run there.
  [[nodiscard]] Leases enter(const std::vector<std::size_t>& threads, const std::vector<int>& cores,
                             std::uint32_t quota);

 private:
  void leave(std::list<Entry>::iterator entry);
  void note_crowds();
  [[nodiscard]] std::size_t threads_on(const std::vector<int>& cores) const;

  std::mutex mutex_;
  std::list<Entry> entries_;
};

}  // namespace troupe
