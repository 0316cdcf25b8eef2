#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "runtime/program/runner.hpp"
#include "runtime/trace/track.hpp"
#include "transport/activity.hpp"

namespace troupe {

/// Where an actor hands its steps, so that it never blocks. Tests put another in its place.
class Executor {
 public:
  using Done = std::function<void(StepOutcome)>;
  virtual ~Executor() = default;

  /// Enqueues a step; `done` is called, on the executor's thread, when it has been run, and throws nothing. Steps run
  /// in order.
  virtual void submit(std::shared_ptr<const Step> step, Done done) = 0;

  /// Whether the threads that run steps fill every core, so that any other thread takes one away from them.
  [[nodiscard]] virtual bool fills_cores() const { return false; }

  /// What waits fails with this error; every submitted step still comes to its `done`, until stop().
  virtual void abort(const Error& why) = 0;
};

/// Runs steps on a plain thread. The scheduler bounds how many are under way. A step that is broken
/// is the last that the runner sees: every later one is broken too. What a runner throws, want of memory above all,
/// breaks the step that it threw at, and wakes its peers.
class ThreadExecutor : public Executor {
 public:
  /// `core`: to pin the thread to, where such threads fill every core; negative: not. `activity`: of the executors that
  /// may wait for each other, where this one is at work from when it is given a step until it has run all that it has.
  /// `owner`: of its thread (see on_thread_of). `track`: of its thread, where steps are traced.
  ThreadExecutor(std::unique_ptr<StepRunner> runner, int core, std::shared_ptr<transport::Activity> activity,
                 const void* owner = nullptr, std::shared_ptr<trace::Track> track = nullptr);
  ~ThreadExecutor() override { stop(); }
  void submit(std::shared_ptr<const Step> step, Done done) override;
  [[nodiscard]] bool fills_cores() const override { return core_ >= 0; }
  void abort(const Error& why) override { runner_->abort(why); }

  /// Waits for the step that is being run, drops the others, and ends the thread; after that `submit` does nothing.
  void halt();

  /// What its runner holds of the KV cache, or null. Before the first step, or halted.
  [[nodiscard]] HeldKv* kv() { return runner_->kv(); }

  /// Halts, and ends the runner. Actors may hold an executor for longer than what its runner looks at lives. Not
  /// together with abort().
  void stop();

 private:
  struct Job {
    std::shared_ptr<const Step> step;
    Done done;
  };
  void work();
  void note_work(bool at_work);
  [[nodiscard]] StepOutcome run(const Step& step) noexcept;
  [[nodiscard]] StepOutcome traced(const Step& step) noexcept;
  [[nodiscard]] StepOutcome broken_by(StepId id, Error why) noexcept;

  std::shared_ptr<transport::Activity> activity_;  // the runner looks at it
  std::unique_ptr<StepRunner> runner_;
  bool broken_ = false;  ///< a step was: the runner has not seen all that later ones build on
  int core_;
  std::shared_ptr<trace::Track> track_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool stopping_ = false, at_work_ = false;
  std::thread thread_;
};

}  // namespace troupe
