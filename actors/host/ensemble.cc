#include "actors/host/ensemble.hpp"

#include <caf/all.hpp>
#include <future>
#include <utility>

#include "actors/letter.hpp"
#include "actors/router.hpp"

namespace troupe::host {
namespace {

/// What happens when the supervisor has ended, though it may not have come to know of the router: that one ends too,
/// and with it whatever was asked of it.
class AfterSupervisor {
 public:
  explicit AfterSupervisor(actors::RouterActor router)
      : router_(std::move(router)), exit_(std::make_shared<caf::mailbox_element_ptr>(actors::exit_letter())) {}

  void operator()(const caf::error&) const {
    actors::post(router_, std::move(*exit_));
    ended_->set_value();
  }

  [[nodiscard]] std::future<void> ended() const { return ended_->get_future(); }

 private:
  actors::RouterActor router_;
  std::shared_ptr<caf::mailbox_element_ptr> exit_;  // shared, as a functor must be copyable
  std::shared_ptr<std::promise<void>> ended_ = std::make_shared<std::promise<void>>();
};

}  // namespace

struct Ensemble::Actors {
  actors::RouterActor router;
  actors::SupervisorActor supervisor;
  caf::mailbox_element_ptr close = actors::letter(actors::Close{});
  std::future<void> ended;
};

Ensemble::Ensemble(actors::Control& control, std::vector<actors::Incarnation> replicas,
                   const std::shared_ptr<actors::Builder>& builder, const std::shared_ptr<const Tokenizer>& tokenizer,
                   const std::shared_ptr<actors::ReplicaBoard>& board, const actors::Log& log,
                   actors::RestartLimit limit, float prefix_weight)
    : control_(control), actors_(std::make_unique<Actors>()) {
  caf::actor_system& system = control.system();
  actors_->router = system.spawn(actors::router, log, limit.losses, prefix_weight);
  actors_->supervisor =
      system.spawn(actors::supervisor, actors_->router, std::move(replicas), builder, tokenizer, board, log, limit);
  try {
    const AfterSupervisor after(actors_->router);
    actors_->ended = after.ended();
    actors_->supervisor->attach_functor(after);
  } catch (...) {
    actors::post(actors_->supervisor, std::move(actors_->close));
    throw;
  }
}

Ensemble::~Ensemble() {
  actors::post(actors_->supervisor, std::move(actors_->close));
  while (actors_->ended.wait_for(std::chrono::milliseconds(100)) != std::future_status::ready && !control_.has_lost()) {
  }
}

void Ensemble::submit(std::shared_ptr<actors::Request> request, std::shared_ptr<actors::Stream> stream) {
  auto letter = actors::letter(actors::Submit{request});
  std::exchange(request, nullptr)->stream = std::move(stream);
  actors::post(actors_->router, std::move(letter));
}

void Ensemble::stop(SequenceId id, const Error& why) { caf::anon_send(actors_->router, actors::Stop{id, why}); }

template <class Asked, class T>
Result<T> Ensemble::ask(Asked asked, std::future<Result<T>> answer) {
  caf::anon_send(actors_->supervisor, std::move(asked));
  while (answer.wait_for(std::chrono::milliseconds(100)) != std::future_status::ready) {
    if (control_.has_lost()) return Error(Code::aborted, "the runtime has lost an actor for want of memory");
  }
  try {
    return answer.get();
  } catch (const std::future_error&) {
    return Error(Code::aborted, "the model's supervisor has ended");
  }
}

Result<actors::Changed> Ensemble::replicate(std::uint32_t count) {
  auto done = std::make_shared<std::promise<Result<actors::Changed>>>();
  auto answer = done->get_future();
  return ask(actors::Replicate{count, std::move(done)}, std::move(answer));
}

Result<actors::Changed> Ensemble::replace(std::vector<Order> orders) {
  auto done = std::make_shared<std::promise<Result<actors::Changed>>>();
  auto answer = done->get_future();
  return ask(actors::Replace{std::move(orders), std::move(done)}, std::move(answer));
}

Result<void> Ensemble::drain(std::uint32_t replica) {
  auto done = std::make_shared<std::promise<Result<void>>>();
  auto answer = done->get_future();
  return ask(actors::Drain{replica, std::move(done)}, std::move(answer));
}

}  // namespace troupe::host
