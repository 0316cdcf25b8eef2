#include "runtime/program/own_thread.hpp"

#include <pthread.h>

#include <csignal>
#include <utility>

namespace troupe {
namespace {

/// Blocks the host's signals in the calling thread, and so in those that it starts, until the end of the scope.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t blocked;
    sigfillset(&blocked);
    for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF}) sigdelset(&blocked, own);
    pthread_sigmask(SIG_BLOCK, &blocked, &before_);
  }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

thread_local bool is_own = false;
thread_local const void* owner_of_this = nullptr;

}  // namespace

std::thread start_thread(const char* name, std::function<void()> work, const void* owner) {
  const BlockedSignals blocked;
  std::thread thread([work = std::move(work), owner] {
    is_own = true;
    owner_of_this = owner;
    work();
  });
  pthread_setname_np(thread.native_handle(), name);  // here, so that it has its name when this returns
  return thread;
}

bool on_own_thread() { return is_own; }
bool on_thread_of(const void* owner) { return owner != nullptr && owner_of_this == owner; }

}  // namespace troupe
