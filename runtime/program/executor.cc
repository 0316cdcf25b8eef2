#include "runtime/program/executor.hpp"

#include <new>

#include "kernels/floating_point.hpp"
#include "runtime/machine/cores.hpp"
#include "runtime/program/own_thread.hpp"

namespace troupe {

ThreadExecutor::ThreadExecutor(std::unique_ptr<StepRunner> runner, int core,
                               std::shared_ptr<transport::Activity> activity, const void* owner,
                               std::shared_ptr<trace::Track> track)
    : activity_(std::move(activity)),
      runner_(std::move(runner)),
      core_(core),
      track_(std::move(track)),
      thread_(start_thread(
          "troupe.step", [this] { work(); }, owner)) {}

void ThreadExecutor::halt() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
  jobs_.clear();  // nobody else looks at them any more
}

void ThreadExecutor::stop() {
  halt();
  runner_.reset();
}

void ThreadExecutor::submit(std::shared_ptr<const Step> step, Done done) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    jobs_.push_back({std::move(step), std::move(done)});
    note_work(true);
  }
  changed_.notify_one();
}

/// Precondition: mutex_ is held.
void ThreadExecutor::note_work(bool at_work) {
  if (at_work == at_work_) return;
  at_work_ = at_work;
  at_work ? activity_->begin_work() : activity_->end_work();
}

void ThreadExecutor::work() {
  if (core_ >= 0) pin_thread(core_);
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      note_work(!jobs_.empty());
      changed_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    kernels::set_floating_point_mode();  // `done` may have run code of the host's
    StepOutcome outcome = track_ == nullptr ? run(*job.step) : traced(*job.step);
    outcome.epoch = job.step->epoch;
    job.done(std::move(outcome));
  }
}

StepOutcome ThreadExecutor::traced(const Step& step) noexcept {
  track_->begin_step(step.id, step.epoch);
  const trace::Time begin = trace::now();
  StepOutcome outcome = run(step);
  track_->end_step(begin, step.rows(), static_cast<std::uint32_t>(step.slices.size()));
  return outcome;
}

StepOutcome ThreadExecutor::run(const Step& step) noexcept {
  if (broken_) return broken_by(step.id, {Code::aborted, "a step broke"});
  try {
    StepOutcome outcome = runner_->run(step);
    broken_ = outcome.broken.has_value();
    return outcome;
  } catch (const std::bad_alloc&) {
    return broken_by(step.id, {Code::out_of_memory, "out of memory"});
  } catch (...) {
    return broken_by(step.id, {Code::failed, "a step threw"});
  }
}

/// The errors here are so short that making one does not allocate: memory may be what is wanting.
StepOutcome ThreadExecutor::broken_by(StepId id, Error why) noexcept {
  if (!broken_) runner_->abort(why);
  broken_ = true;
  StepOutcome outcome{.id = id};
  outcome.broken = std::move(why);
  return outcome;
}

}  // namespace troupe
