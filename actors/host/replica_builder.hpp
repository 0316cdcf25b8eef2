#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "actors/builder.hpp"
#include "actors/host/workshop.hpp"
#include "runtime/program/own_thread.hpp"

namespace troupe::host {

/// A model's builder: owns the executors of every epoch that is at work, and makes and ends them on one thread, in the
/// order in which it is asked. That thread is started by the one that loads the model, so that what is made later runs
/// on the same cores.
class ReplicaBuilder final : public actors::Builder {
 public:
  /// Throws std::system_error where there is no thread to be had.
  ReplicaBuilder(std::unique_ptr<Workshop> workshop, std::vector<MadeReplica> made);
  ~ReplicaBuilder() override { close(); }

  /// See Workshop; with the settings of what it was made with. Any thread.
  [[nodiscard]] Result<std::vector<Order>> orders_of(const Graph& graph) const;

  void build(Order order, Epoch instead_of, std::function<void(Result<actors::ReplicaPlan>)> done) override;
  void carry_over(std::vector<actors::Legacy> legacies, std::function<void()> done) override;
  void retire(Epoch epoch, std::function<void()> done) override;

  /// Waits for what is being made and for steps that are being run, ends all executors, and drops what has been asked
  /// for since. Once nobody asks any more.
  void close();

  /// Whether the calling thread is one that was started for this model's work.
  [[nodiscard]] bool on_its_thread() const { return on_thread_of(workshop_.get()); }

 private:
  void work();
  static void check_room();
  enum class Place : std::uint8_t { first, last };
  void ask(std::function<void()> job, Place place = Place::last);
  [[nodiscard]] Result<void> fits_beside_others(const Blueprint& to_come) const;
  Result<actors::ReplicaPlan> make(const Order& order, Epoch instead_of);
  void carry(const actors::Legacy& legacy);
  std::shared_ptr<const CoreLedger::Lease> end(Epoch epoch);

  const std::unique_ptr<Workshop> workshop_;
  const DeploySettings settings_;
  std::map<Epoch, MadeReplica> made_;  ///< the thread's own
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  std::atomic<bool> closing_{false};
  std::thread thread_;
};

}  // namespace troupe::host
