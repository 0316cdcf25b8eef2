#include "runtime/device/cpu/team.hpp"

#include "kernels/floating_point.hpp"
#include "runtime/machine/cores.hpp"
#include "runtime/program/own_thread.hpp"

namespace troupe {
namespace {

// Within a team every wait is for computation that ends by itself, or whose own waits have deadlines.
constexpr transport::Deadline no_deadline;

}  // namespace

Team::Team(std::uint32_t threads, transport::WaitPolicy policy, std::vector<int> cores,
           std::vector<std::shared_ptr<transport::WaitWitness>> witnesses)
    : threads_(threads), policy_(policy), cores_(std::move(cores)), witnesses_(std::move(witnesses)), rounds_(threads) {
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
  if (thrown_.raised()) std::rethrow_exception(what_);
  work_ = &work;
  runs_.advance();
  call(0);
  const std::uint64_t target = ++run_ * (threads_ - 1);
  (void)returns_.wait_until(target, policy_, no_deadline, never_, "the team");
  if (thrown_.raised()) std::rethrow_exception(what_);
}

void Team::call(std::uint32_t thread) noexcept {
  try {
    (*work_)(thread);
  } catch (...) {
    const std::lock_guard lock(throwing_);
    if (!what_) what_ = std::current_exception();
    thrown_.raise({Code::failed, "it threw"});  // short: allocates nothing, here and for those who wait
    arrivals_.interrupt();
  }
}

bool Team::barrier(std::uint32_t thread) {
  if (threads_ == 1) return true;
  arrivals_.advance();
  const std::uint64_t target = ++rounds_[thread].passed * threads_;
  transport::Deadline deadline = no_deadline;
  if (!witnesses_.empty()) deadline.witness = witnesses_[thread].get();
  return arrivals_.wait_until(target, policy_, deadline, thrown_, "the team").ok();
}

void Team::follow(std::uint32_t thread) {
  if (!cores_.empty()) pin_thread(cores_[thread]);
  kernels::set_floating_point_mode();
  for (std::uint64_t run = 1;; ++run) {
    (void)runs_.wait_until(run, policy_, no_deadline, never_, "a step");
    if (work_ == nullptr) return;
    call(thread);
    returns_.advance();
  }
}

}  // namespace troupe
