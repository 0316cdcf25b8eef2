#include "runtime/program/team.hpp"

#include "kernels/floating_point.hpp"
#include "runtime/machine/cores.hpp"
#include "runtime/program/own_thread.hpp"

namespace troupe {
namespace {

// Within a team every wait is for computation that ends by itself, or whose own waits have deadlines.
constexpr transport::Deadline no_deadline;

}  // namespace

Team::Team(std::uint32_t threads, transport::WaitPolicy policy, std::vector<int> cores)
    : threads_(threads), policy_(policy), cores_(std::move(cores)), rounds_(threads) {
  try {
    for (std::uint32_t thread = 1; thread < threads_; ++thread)
      others_.push_back(start_thread("troupe.team", [this, thread] { follow(thread); }));
  } catch (...) {  // the system has no more threads: those that run must end before they are forgotten
    stop();
    throw;
  }
}

void Team::stop() {
  work_ = nullptr;
  runs_.advance();
  for (std::thread& other : others_) other.join();
}

void Team::run(const std::function<void(std::uint32_t)>& work) {
  if (threads_ == 1) return work(0);
  work_ = &work;
  runs_.advance();
  work(0);
  barrier(0);
}

void Team::barrier(std::uint32_t thread) {
  if (threads_ == 1) return;
  arrivals_.advance();
  const std::uint64_t target = ++rounds_[thread].passed * threads_;
  (void)arrivals_.wait_until(target, policy_, no_deadline, never_, "the team");
}

void Team::follow(std::uint32_t thread) {
  if (!cores_.empty()) pin_thread(cores_[thread]);
  kernels::set_floating_point_mode();
  for (std::uint64_t run = 1;; ++run) {
    (void)runs_.wait_until(run, policy_, no_deadline, never_, "a step");
    if (work_ == nullptr) return;
    (*work_)(thread);
    barrier(thread);
  }
}

}  // namespace troupe
