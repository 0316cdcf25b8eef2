#pragma once

#include <atomic>
#include <memory>

#include "actors/host/checkpoint.hpp"
#include "actors/host/deploy.hpp"
#include "troupe/runtime.hpp"

namespace troupe {

/// What the models of one runtime share.
class Runtime::Impl {
 public:
  explicit Impl(RuntimeOptions options);
  ~Impl();

  RuntimeOptions options;
  plugins::Registry registry;
  host::ActorKinds kinds;
  std::shared_ptr<CoreLedger> cores = std::make_shared<CoreLedger>();
  struct System;
  std::unique_ptr<System> system;  ///< the actors' threads
};

/// A running graph.
class Model::Impl : public std::enable_shared_from_this<Model::Impl> {
 public:
  Impl(std::shared_ptr<Runtime::Impl> runtime, Checkpoint checkpoint, const LoadOptions& options, std::uint32_t context,
       host::Deployment deployment);
  ~Impl();

  Checkpoint checkpoint;

  /// Hands a request to the router. Throws queue_full.
  [[nodiscard]] Generation submit(std::vector<TokenId> prompt, const GenerateOptions& options,
                                  std::shared_ptr<const SequenceSettings> settings, std::uint32_t max_tokens);
  void stop(SequenceId id, const Error& why);

  [[nodiscard]] std::uint32_t context() const { return context_; }

 private:
  struct Actors;
  std::shared_ptr<Runtime::Impl> runtime_;
  std::uint32_t context_;
  std::size_t most_open_;  ///< requests that may run and wait, all replicas together
  std::shared_ptr<std::atomic<std::size_t>> open_ = std::make_shared<std::atomic<std::size_t>>(0);
  std::atomic<SequenceId> last_id_{0};
  host::Deployment deployment_;
  std::unique_ptr<Actors> actors_;
};

}  // namespace troupe
