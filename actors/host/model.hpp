#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "actors/host/checkpoint.hpp"
#include "actors/host/deploy.hpp"
#include "actors/host/ensemble.hpp"
#include "actors/host/meter.hpp"
#include "actors/host/open_requests.hpp"
#include "actors/host/replica_builder.hpp"
#include "actors/host/retire.hpp"
#include "actors/host/runtime.hpp"
#include "runtime/text/dry_breakers.hpp"
#include "troupe/runtime.hpp"

namespace troupe {

/// A running graph. Any thread.
class Model::Impl : public std::enable_shared_from_this<Model::Impl> {
 public:
  Impl(std::shared_ptr<Runtime::Impl> runtime, Checkpoint checkpoint, const Graph& graph, const LoadOptions& options,
       std::uint32_t context, host::Deployment deployment);
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();

  const Checkpoint checkpoint;
  DryBreakerLists breakers;  ///< of its requests

  /// Hands a request, whose id has been drawn and which has no stream yet, to the router. Throws queue_full.
  [[nodiscard]] Request submit(std::shared_ptr<actors::Request> request, StreamCallbacks callbacks);

  /// The same for somebody who will read it.
  [[nodiscard]] Generation submit(std::shared_ptr<actors::Request> request);
  [[nodiscard]] SequenceId draw_id() { return ++last_id_; }

  /// Where the actors look for the sinks of requests.
  [[nodiscard]] const std::shared_ptr<LogitsSinks>& sinks() const { return sinks_; }

  /// Ends a request; nothing where it has ended.
  void stop(SequenceId id, const Error& why);

  /// See Model.
  [[nodiscard]] std::vector<std::uint32_t> replicate(std::uint32_t count);
  std::vector<std::uint32_t> replace(const Graph& graph);
  void drain(std::uint32_t replica);

  /// Throws invalid_argument where the calling thread could wait for ever: it is one that the model needs to go on, or
  /// the model's are in the parent of this process.
  void check_wait() const;

  /// Whether answers may never come, for want of memory.
  [[nodiscard]] bool has_lost_actors() const { return runtime_->control().has_lost(); }

  [[nodiscard]] Stats stats() const;
  void write_trace(const std::string& path) const;

  [[nodiscard]] std::uint32_t context() const { return context_; }
  [[nodiscard]] const actors::Log& log() const { return runtime_->log; }
  [[nodiscard]] const host::Process& process() const { return process_; }

 private:
  [[nodiscard]] std::vector<std::uint32_t> noted(Result<actors::Changed> changed);
  void tell_metrics() const noexcept;
  void balance_experts() noexcept;

  const host::Process process_;
  const std::shared_ptr<Runtime::Impl> runtime_;
  const std::uint32_t context_;
  const std::size_t places_;  ///< requests that may run and wait, of each replica
  const std::shared_ptr<host::OpenRequests> open_;
  std::atomic<SequenceId> last_id_{0};
  const std::shared_ptr<LogitsSinks> sinks_;
  const std::shared_ptr<const ExpertRows> expert_rows_;
  const std::shared_ptr<const PrefetchCounts> prefetches_;
  const std::shared_ptr<const trace::Trace> trace_;  ///< null where nothing is recorded
  const std::shared_ptr<actors::ReplicaBoard> board_ = std::make_shared<actors::ReplicaBoard>();
  std::shared_ptr<host::ReplicaBuilder> builder_;
  std::unique_ptr<host::Ensemble> ensemble_;
  std::mutex changing_;                   ///< one change after the other
  Graph graph_;                           ///< under `changing_`: that is at work, but for replicas that came and went
  std::vector<ExpertLoad> balanced_for_;  ///< the balancer's alone: what experts had had to do when it looked last
  std::optional<host::Meter> meter_, balancer_;
};

}  // namespace troupe
