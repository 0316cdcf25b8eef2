#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "transport/waiter.hpp"

namespace troupe {

/// The threads of one shard: the caller of run() and threads - 1 of its own, which sleep between runs.
class Team {
 public:
  /// `witnesses`: [threads], told of the waits at barriers; or empty.
  Team(std::uint32_t threads, transport::WaitPolicy policy, std::vector<int> cores,
       std::vector<std::shared_ptr<transport::WaitWitness>> witnesses = {});
  ~Team() { stop(); }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  [[nodiscard]] std::uint32_t threads() const { return threads_; }

  /// Calls work(0) here and work(1 ...) on the others; returns when all have returned. What the work throws, on any
  /// thread, is thrown here, and by every later run.
  void run(const std::function<void(std::uint32_t thread)>& work);

  /// For every thread of a running work: returns once all have called it. False where one of them never will, because
  /// it threw: then the work must end.
  [[nodiscard]] bool barrier(std::uint32_t thread);

 private:
  void follow(std::uint32_t thread);
  void call(std::uint32_t thread) noexcept;
  void stop();

  std::uint32_t threads_;
  transport::WaitPolicy policy_;
  std::vector<int> cores_;  ///< [threads], or empty: not pinned
  std::vector<std::shared_ptr<transport::WaitWitness>> witnesses_;
  transport::Counter runs_, arrivals_, returns_;
  struct alignas(64) Round {
    std::uint64_t passed = 0;
  };
  std::vector<Round> rounds_;  ///< barriers that each thread has passed
  std::uint64_t run_ = 0;      ///< of the caller
  transport::AbortFlag never_, thrown_;
  std::mutex throwing_;
  std::exception_ptr what_;  ///< the first, set before `thrown_` is raised
  const std::function<void(std::uint32_t)>* work_ = nullptr;
  std::vector<std::thread> others_;
};

}  // namespace troupe
