#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

#include "transport/deadline.hpp"
#include "troupe/error.hpp"

namespace troupe::transport {

/// How a thread waits for another: spins `spins` times, then sleeps in the kernel. Zero where ranks outnumber cores.
struct WaitPolicy {
  std::uint32_t spins = 20000;
  const std::atomic<bool>* crowded = nullptr;  ///< while this holds, ranks outnumber cores: no spins
  [[nodiscard]] std::uint32_t spins_now() const {
    return crowded != nullptr && crowded->load(std::memory_order_relaxed) ? 0 : spins;  // a hint: nothing is read by it
  }
};

/// The first error that ended a group; whoever waits in the group returns it. Any thread.
class AbortFlag {
 public:
  void raise(Error why);  ///< the first call counts; raised() holds afterwards
  [[nodiscard]] bool raised() const { return raised_.load(std::memory_order_acquire); }  ///< before why_ is read
  [[nodiscard]] const Error& error() const { return *why_; }                             ///< precondition: raised()

 private:
  std::atomic<bool> raised_{false};
  std::mutex raising_;
  std::optional<Error> why_;  // written once, before raised_
};

/// A number that only grows: some threads advance it, others wait for it. Has a cache line to itself. Any thread.
/// The kernel is entered only to sleep and to wake sleepers; with nobody asleep `advance` is one atomic addition.
class alignas(64) Counter {
 public:
  /// Acquires: who sees a value also sees all that was written before it.
  [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_acquire); }

  /// Adds one. Who sees the new value also sees all that this thread wrote before.
  void advance() {
    value_.fetch_add(1, std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst) != 0) interrupt();
  }

  /// Returns once the value has reached `target`; else fails with the error of `abort`, or with Code::deadline and
  /// `what`, the name of what did not come. A target that is reached counts before either. Only a wait that sleeps
  /// looks at its deadline.
  [[nodiscard]] Result<void> wait_until(std::uint64_t target, WaitPolicy policy, Deadline deadline,
                                        const AbortFlag& abort, const char* what);

  /// Makes sleepers look at their abort flag; call it after raising one.
  void interrupt();

 private:
  Result<void> reach(std::uint64_t target, WaitPolicy policy, Deadline deadline, const AbortFlag& abort,
                     const char* what);
  Result<void> sleep_until(std::uint64_t target, Deadline deadline, const AbortFlag& abort, const char* what);

  std::atomic<std::uint64_t> value_{0};
  std::atomic<std::uint32_t> sleepers_{0};
  std::atomic<std::uint32_t> bell_{0};  // changes whenever sleepers have something to look at
};

}  // namespace troupe::transport
