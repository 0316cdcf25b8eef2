#include "transport/waiter.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>
#include <string>
#include <utility>

#include "transport/activity.hpp"

namespace troupe::transport {
namespace {

/// Tells the core that this is a spin: frees its pipeline, and leaves the cache line to the writer for a moment. ARM's
/// YIELD does nothing on cores of one thread; ISB empties the pipeline, which takes about as long as x86's PAUSE.
void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

/// Sleeps while `word` is `seen`, at most until `latest`. May return early.
/// std::atomic::wait knows no deadline, hence the system call; steady_clock is CLOCK_MONOTONIC, which it counts by.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t seen, Clock::time_point latest) {
  static_assert(sizeof(word) == 4 && std::atomic<std::uint32_t>::is_always_lock_free);
  const auto since_boot = latest.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_boot);
  const timespec until{static_cast<time_t>(seconds.count()), static_cast<long>((since_boot - seconds).count())};
  syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, seen, &until, nullptr, FUTEX_BITSET_MATCH_ANY);
}

void futex_wake_all(std::atomic<std::uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, nullptr, nullptr, 0);
}

/// How long a sleeper has heard nothing. It looks several times, so that a process that was stopped, in a debugger or
/// by its container, takes all of that time for one look.
class Silence {
 public:
  explicit Silence(const Deadline& deadline)
      : activity_(deadline.activity), between_looks_(deadline.patience / looks + Clock::duration(1)) {
    look();
  }

  [[nodiscard]] Clock::time_point next_look() const { return next_look_; }

  [[nodiscard]] bool too_long() {
    if (Clock::now() < next_look_) return false;
    const std::uint64_t before = pulse_;
    look();
    silent_ = pulse_ == before ? silent_ + 1 : 0;
    return silent_ == looks;
  }

 private:
  static constexpr int looks = 8;

  void look() {
    next_look_ = Clock::now() + between_looks_;
    if (activity_ != nullptr) pulse_ = activity_->pulse();
  }

  Activity* activity_;
  Clock::duration between_looks_;
  Clock::time_point next_look_;
  std::uint64_t pulse_ = 0;
  int silent_ = 0;
};

}  // namespace

void AbortFlag::raise(Error why) {
  const std::lock_guard lock(raising_);
  if (raised()) return;
  why_.emplace(std::move(why));
  raised_.store(true, std::memory_order_release);  // behind it, why_ may be read
}

/// What has come already is no wait, and takes no time to tell of.
Result<void> Counter::wait_until(std::uint64_t target, WaitPolicy policy, Deadline deadline, const AbortFlag& abort,
                                 const char* what) {
  if (deadline.witness == nullptr || value() >= target) return reach(target, policy, deadline, abort, what);
  const Clock::time_point begin = Clock::now();
  Result<void> result = reach(target, policy, deadline, abort, what);
  deadline.witness->waited(begin, Clock::now());
  return result;
}

Result<void> Counter::reach(std::uint64_t target, WaitPolicy policy, Deadline deadline, const AbortFlag& abort,
                            const char* what) {
  const std::uint32_t spins = policy.spins_now();
  for (std::uint32_t spin = 0;; ++spin) {
    if (value() >= target) return {};
    if (abort.raised()) return abort.error();
    if (spin >= spins) break;
    relax();
  }
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  Activity::Sleeper self{&value_, target};
  if (deadline.activity != nullptr) deadline.activity->fall_asleep(self);
  Result<void> result = sleep_until(target, deadline, abort, what);
  if (deadline.activity != nullptr) deadline.activity->wake_up(self);
  sleepers_.fetch_sub(1, std::memory_order_relaxed);  // seen late, it costs a needless ring
  return result;
}

// No wake-up is lost. The waiter counts itself among the sleepers and then reads the value; advance() changes the value
// and then reads the sleepers: one of the two sees the other. And the bell is read before anything it announces, so a
// ring after that makes futex_wait return at once.
Result<void> Counter::sleep_until(std::uint64_t target, Deadline deadline, const AbortFlag& abort, const char* what) {
  Silence silence(deadline);
  for (;;) {
    const std::uint32_t heard = bell_.load(std::memory_order_acquire);  // what it announced is read behind it
    if (value_.load(std::memory_order_seq_cst) >= target) return {};
    if (abort.raised()) return abort.error();
    if (silence.too_long()) return Error(Code::deadline, std::string("the deadline passed before ") + what);
    futex_wait(bell_, heard, silence.next_look());
  }
}

void Counter::interrupt() {
  bell_.fetch_add(1, std::memory_order_release);  // whoever hears it sees what it announces
  futex_wake_all(bell_);
}

}  // namespace troupe::transport
