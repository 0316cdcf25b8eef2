#include "runtime/program/executor.hpp"

#include "kernels/table.hpp"
#include "runtime/program/own_thread.hpp"
#include "runtime/program/team.hpp"

namespace troupe {

ThreadExecutor::ThreadExecutor(std::unique_ptr<StepRunner> runner, int core)
    : runner_(std::move(runner)), core_(core), thread_(start_thread("troupe.step", [this] { work(); })), id_(thread_.get_id()) {}

void ThreadExecutor::stop() {
  std::deque<Job> dropped;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped.swap(jobs_);
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
  runner_.reset();
}

void ThreadExecutor::submit(std::shared_ptr<const Step> step, Done done) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    jobs_.push_back({std::move(step), std::move(done)});
  }
  changed_.notify_one();
}

void ThreadExecutor::work() {
  if (core_ >= 0) pin_thread(core_);
  kernels::set_floating_point_mode();
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job.done(runner_->run(*job.step));
  }
}

}  // namespace troupe
