#include "actors/control.hpp"

#include <atomic>
#include <caf/all.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>
#include <condition_variable>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "actors/clock.hpp"
#include "actors/resume.hpp"
#include "runtime/program/own_thread.hpp"

namespace troupe::actors {
namespace {

/// Actors that have messages, first in, first out. Each is in it once at most, so that it grows with their number
/// alone; early, because one that could not be enqueued for want of memory would sleep for ever.
class Jobs {
 public:
  Jobs() : ring_(1024) {}

  [[nodiscard]] bool empty() const { return count_ == 0; }

  /// False where there is no room, and none to be had.
  [[nodiscard]] bool push(caf::resumable* job) noexcept {
    if (2 * count_ >= ring_.size() && !grow() && count_ == ring_.size()) return false;
    ring_[(first_ + count_++) % ring_.size()] = job;
    return true;
  }
  [[nodiscard]] caf::resumable* pop() {
    caf::resumable* const job = ring_[first_];
    first_ = (first_ + 1) % ring_.size();
    --count_;
    return job;
  }

 private:
  bool grow() noexcept {
    try {
      std::vector<caf::resumable*> larger(2 * ring_.size());
      for (std::size_t i = 0; i < count_; ++i) larger[i] = ring_[(first_ + i) % ring_.size()];
      ring_.swap(larger);
      first_ = 0;
      return true;
    } catch (const std::bad_alloc&) {
      return false;
    }
  }

  std::vector<caf::resumable*> ring_;
  std::size_t first_ = 0, count_ = 0;
};

/// What the threads of a system share. They are made before the system, and wait for it.
struct Shared {
  std::mutex mutex;
  std::condition_variable changed;
  Jobs jobs;
  caf::actor_system* system = nullptr;
  bool stopping = false;
  std::atomic<bool> lost{false};  ///< an actor
  Clock clock;

  void enqueue(caf::resumable* job) noexcept {
    std::unique_lock lock(mutex);
    while (!jobs.push(job)) {  // memory may be back in a moment
      lock.unlock();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      lock.lock();
    }
    lock.unlock();
    changed.notify_one();
  }

  /// Null when there is nothing left to do, ever.
  [[nodiscard]] caf::resumable* next() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return stopping || !jobs.empty(); });
    return jobs.empty() ? nullptr : jobs.pop();
  }

  /// One that nobody will run any more; null where there is none.
  [[nodiscard]] caf::resumable* left_over() {
    const std::lock_guard lock(mutex);
    return jobs.empty() ? nullptr : jobs.pop();
  }

  /// The system, once it is there; null where there will be none.
  [[nodiscard]] caf::actor_system* wait_for_system() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return stopping || system != nullptr; });
    return system;
  }

  void begin(caf::actor_system* made) {
    const std::lock_guard lock(mutex);
    system = made;
    changed.notify_all();
  }

  void stop() {
    const std::lock_guard lock(mutex);
    stopping = true;
    changed.notify_all();
  }
};

class Worker final : public caf::execution_unit {
 public:
  Worker(caf::actor_system* system, Shared& shared) : execution_unit(system), shared_(shared) {}
  void exec_later(caf::resumable* job) override { shared_.enqueue(job); }

  void run() {
    while (caf::resumable* job = shared_.next()) {
      resume(job, *this, [this](caf::resumable* again) { shared_.enqueue(again); });
    }
  }

 private:
  Shared& shared_;
};

thread_local const Shared* threads_of = nullptr;

/// The threads, joined at the end of their life.
class Threads {
 public:
  explicit Threads(std::uint32_t workers) {
    try {
      clock_ = start_thread("troupe.clock", [this] { keep_time(); });
      for (std::uint32_t i = 0; i < workers; ++i) {
        workers_.push_back(start_thread("troupe.control", [this] { work(); }));
      }
    } catch (...) {
      join();
      throw;
    }
  }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  ~Threads() { join(); }

  void join() {
    shared.stop();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
    while (caf::resumable* job = shared.left_over()) caf::scheduler::abstract_coordinator::cleanup_and_release(job);
    shared.clock.stop();
    if (clock_.joinable()) clock_.join();
  }

  Shared shared;

 private:
  void work() {
    threads_of = &shared;
    if (caf::actor_system* system = shared.wait_for_system()) Worker(system, shared).run();
  }
  void keep_time() {
    threads_of = &shared;
    if (shared.wait_for_system() != nullptr) shared.clock.run();
  }

  std::thread clock_;
  std::vector<std::thread> workers_;
};

/// Where CAF prints what an actor threw before it could say who should hear of it: nowhere. Standard error is the
/// host's, and the actor's end says it to those who watch it.
class NoPrinter final : public caf::monitorable_actor {
 public:
  explicit NoPrinter(caf::actor_config& config) : monitorable_actor(config) {}
  void enqueue(caf::mailbox_element_ptr, caf::execution_unit*) override {}
};

/// CAF's view of them.
class Scheduler final : public caf::scheduler::abstract_coordinator {
 public:
  Scheduler(caf::actor_system& system, Threads& threads) : abstract_coordinator(system), threads_(threads) {}

  void start() override {
    caf::actor_config config;
    utility_actors_[printer_id] =
        caf::make_actor<NoPrinter, caf::actor>(system().next_actor_id(), system().node(), &system(), config);
    threads_.shared.begin(&system());
  }
  void stop() override { threads_.join(); }
  void enqueue(caf::resumable* job) override { threads_.shared.enqueue(job); }
  caf::actor_clock& clock() noexcept override { return threads_.shared.clock; }
  void note_loss() noexcept { threads_.shared.lost = true; }

 private:
  Threads& threads_;
};

}  // namespace

void note_loss(caf::actor_system& system) noexcept {
  if (auto* scheduler = dynamic_cast<Scheduler*>(&system.scheduler())) scheduler->note_loss();
}

class Control::Impl {
 public:
  explicit Impl(std::uint32_t workers) : threads(workers) {
    config.module_factories.push_back([this](caf::actor_system& made) { return new Scheduler(made, threads); });
    system.emplace(config);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (threads.shared.lost) system->await_actors_before_shutdown(false);  // one will never end
    system.reset();
  }

  Threads threads;
  caf::actor_system_config config;
  std::optional<caf::actor_system> system;
};

Result<std::unique_ptr<Control>> Control::start(std::uint32_t threads) {
  try {
    return std::unique_ptr<Control>(new Control(std::make_unique<Impl>(threads)));
  } catch (const std::system_error& thrown) {
    return Error(Code::failed, "the runtime's threads cannot be started (" + std::string(thrown.what()) +
                                   "); raise the limit of threads or processes, or ask for fewer");
  }
}

Control::Control(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Control::~Control() = default;
caf::actor_system& Control::system() { return *impl_->system; }
bool Control::has_lost() const { return impl_->threads.shared.lost; }
bool Control::on_this_thread() const { return threads_of == &impl_->threads.shared; }

}  // namespace troupe::actors
