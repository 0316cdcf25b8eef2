#include "runtime/cli/interrupts.hpp"

#include <pthread.h>

namespace troupe::cli {
namespace {

volatile std::sig_atomic_t flag = 0;
pthread_t reader;

/// A signal may reach any thread; the one that reads must be woken.
void note(int signal) {
  flag = 1;
  if (pthread_equal(pthread_self(), reader) == 0) pthread_kill(reader, signal);
}

}  // namespace

Interrupts::Interrupts() {
  reader = pthread_self();
  struct sigaction action {};
  action.sa_handler = note;  // without SA_RESTART: what is being read ends with EINTR
  sigaction(SIGINT, &action, &before_);
}

Interrupts::~Interrupts() { sigaction(SIGINT, &before_, nullptr); }

bool Interrupts::came() const { return flag != 0; }

void Interrupts::clear() { flag = 0; }

}  // namespace troupe::cli
