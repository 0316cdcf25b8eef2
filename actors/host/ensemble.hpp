#pragma once

#include <future>
#include <memory>
#include <vector>

#include "actors/control.hpp"
#include "actors/log.hpp"
#include "actors/supervisor.hpp"

namespace troupe::host {

/// A model's actors: its router, its supervisor and all below it. Any thread.
class Ensemble {
 public:
  Ensemble(actors::Control& control, std::vector<actors::Incarnation> replicas,
           const std::shared_ptr<actors::Builder>& builder, const std::shared_ptr<const Tokenizer>& tokenizer,
           const std::shared_ptr<actors::ReplicaBoard>& board, const actors::Log& log, actors::RestartLimit limit,
           float prefix_weight);
  Ensemble(const Ensemble&) = delete;
  Ensemble& operator=(const Ensemble&) = delete;

  /// Waits until they have ended, or one of them has been lost.
  ~Ensemble();

  /// Starts a request, which has no stream yet; where this throws, the stream has heard nothing.
  void submit(std::shared_ptr<actors::Request> request, std::shared_ptr<actors::Stream> stream);

  /// Ends a request; nothing where it has ended.
  void stop(SequenceId id, const Error& why);

  /// These wait: see Model::replicate, replace and drain.
  [[nodiscard]] Result<actors::Changed> replicate(std::uint32_t count);
  [[nodiscard]] Result<actors::Changed> replace(std::vector<Order> orders);
  [[nodiscard]] Result<void> drain(std::uint32_t replica);

 private:
  struct Actors;
  template <class Asked, class T>
  Result<T> ask(Asked asked, std::future<Result<T>> answer);

  actors::Control& control_;
  std::unique_ptr<Actors> actors_;
};

}  // namespace troupe::host
