#pragma once

#include <caf/actor_clock.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/typed_actor.hpp>
#include <future>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/deploy/order.hpp"
#include "runtime/program/executor.hpp"
#include "runtime/schedule/batcher.hpp"
#include "runtime/schedule/step.hpp"
#include "runtime/text/generated_text.hpp"
#include "troupe/runtime.hpp"

// All that the actors say to each other. Nothing here leaves the process.

namespace troupe::actors {

/// Where a request's tokens go: the host's end of the stream. Any thread.
class Stream {
 public:
  virtual ~Stream() = default;

  /// An error where the host's code has thrown: the request is to end with it.
  [[nodiscard]] virtual std::optional<Error> push(Token token) = 0;

  /// How many of its prompt's tokens the prefix cache had, told before the first token.
  virtual void begin(std::uint32_t cached_tokens) = 0;

  virtual void end(Finish finish) = 0;  ///< its usage is the stream's to fill in; further calls are ignored
};

/// How a stream ends with an error.
[[nodiscard]] inline Finish ended_by(Error why) {
  Finish finish{.reason = FinishReason::error};
  if (why.code() == Code::cancelled) finish.reason = FinishReason::cancelled;
  if (why.code() == Code::deadline) finish.reason = FinishReason::deadline;
  finish.error.emplace(std::move(why));
  return finish;
}

/// A host's request, as the router, the scheduler and the sampler need it. Where the last of them lets go of it,
/// because it died or was never there, the stream ends.
struct Request {
  Request() = default;
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  ~Request() {
    if (stream) stream->end(ended_by(std::move(lost_)));
  }

  SequenceRequest sequence;
  TextTerms terms;
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::shared_ptr<Stream> stream;

 private:
  Error lost_{Code::aborted, "the actors that served the request have stopped"};  ///< made while there is memory
};

/// The executors of a stage's members.
using Members = std::vector<std::shared_ptr<Executor>>;

/// What a replica is made of, as its supervisor and its scheduler see it.
struct ReplicaPlan {
  BatchLimits limits;
  std::vector<Members> stages;     ///< the executors of each stage's members
  std::shared_ptr<KvPool> pool{};  ///< what their KV caches hold: the scheduler's own while it lives
};

// host -> router -> scheduler
struct Submit {
  std::shared_ptr<const Request> request;
  std::vector<TokenId> log{};   ///< what its stream has been given by a replica that is no more
  float surprise_bound = 0.0F;  ///< Mirostat's, behind the log
};
struct Stop {
  SequenceId id;
  Error why;
};

// scheduler -> stage -> member, and back
struct RunStep {
  std::shared_ptr<const Step> step;
};
struct StepRan {
  std::uint32_t from;  ///< the member's or stage's number
  std::shared_ptr<StepOutcome> outcome;
};

// scheduler -> sampler -> router: of one sequence, in order
struct Begin {
  std::shared_ptr<const Request> request;
  std::vector<TokenId> said{};  ///< what has been streamed of it before: it goes on behind that
};
struct Sampled {
  struct One {
    SequenceId id;
    TokenId token;
    std::shared_ptr<const std::vector<TokenLogprob>> logprobs{};
    float surprise_bound = 0.0F;  ///< Mirostat's, behind it
  };
  std::vector<One> tokens;
};
struct Emit {
  SequenceId id;
  Token token;
  std::optional<Finish> last{};  ///< how the text ends with it: in one message, so that none goes on behind its end
  Epoch epoch = 0;               ///< of the replica that made it: the router hears of one that is no more no longer
  float surprise_bound = 0.0F;   ///< Mirostat's, behind the token
};
struct End {
  SequenceId id;
  Finish how;
  Epoch epoch = 0;
};

// sampler -> scheduler: a text is complete, by what only its words say
struct Complete {
  SequenceId id;
};

// scheduler -> router, when it gives up: whose rows were under way, any of which may have broken the replica
struct Suspects {
  std::vector<SequenceId> ids;
  Epoch epoch;
};

// router -> itself, for its requests' deadlines
struct LookAtClock {
  caf::actor_clock::time_point when;
};

// supervisor -> router: what has become of a replica that served
struct Left {
  std::uint32_t replica;
  Error why;
  enum class For : std::uint8_t { a_while, ever, drained } how;  ///< drained: it broke nothing
};

// a replica's builder -> supervisor
struct Built {
  std::uint32_t replica;
  Epoch epoch;
  std::shared_ptr<Result<ReplicaPlan>> plan;
};
struct Retired {
  std::uint32_t replica;
};
struct CarriedOver {};

// supervisor -> itself: a replica that could not be made is tried again
struct TryAgain {
  std::uint32_t replica;
  Epoch epoch;
};

// host -> supervisor, and back; a promise that is dropped says that the supervisor has ended
/// What a change has added, and how many it has taken away.
struct Changed {
  std::vector<std::uint32_t> numbers;
  std::size_t gone = 0;
};
using ChangePromise = std::shared_ptr<std::promise<Result<Changed>>>;
struct Replicate {
  std::uint32_t count;
  ChangePromise done;
};
struct Replace {
  std::vector<Order> orders;  ///< of all replicas that are to serve in place of those that do, in order
  ChangePromise done;
};
struct Drain {
  std::uint32_t replica;
  std::shared_ptr<std::promise<Result<void>>> done;
};

// host -> supervisor: ends the model's actors
struct Close {};

using MemberActor = caf::typed_actor<caf::reacts_to<RunStep>>;
using StageActor = caf::typed_actor<caf::reacts_to<RunStep>, caf::reacts_to<StepRan>>;
using SchedulerActor =
    caf::typed_actor<caf::reacts_to<Submit>, caf::reacts_to<Stop>, caf::reacts_to<StepRan>, caf::reacts_to<Complete>>;
using SamplerActor = caf::typed_actor<caf::reacts_to<Begin>, caf::reacts_to<Sampled>, caf::reacts_to<End>>;

/// A replica whose KV cache has what another's had.
struct Heir {
  std::uint32_t of, replica;
};

// supervisor -> router: replicas that serve from now on
struct Joined {
  struct Replica {
    std::uint32_t number;
    Epoch epoch;
    SchedulerActor scheduler;
  };
  std::vector<Replica> replicas;
  std::vector<std::uint32_t> instead_of{};  ///< these serve nobody any more
  std::vector<Heir> heirs{};                ///< of these
};

using RouterActor =
    caf::typed_actor<caf::reacts_to<Joined>, caf::reacts_to<Left>, caf::reacts_to<Submit>, caf::reacts_to<Stop>,
                     caf::reacts_to<Emit>, caf::reacts_to<End>, caf::reacts_to<Suspects>, caf::reacts_to<LookAtClock>>;
using SupervisorActor = caf::typed_actor<caf::reacts_to<Built>, caf::reacts_to<Retired>, caf::reacts_to<CarriedOver>,
                                         caf::reacts_to<TryAgain>, caf::reacts_to<Replicate>, caf::reacts_to<Replace>,
                                         caf::reacts_to<Drain>, caf::reacts_to<Close>>;

}  // namespace troupe::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::Submit)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::Stop)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::RunStep)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::StepRan)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::Begin)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::Sampled)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::Emit)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::End)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::Complete)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::LookAtClock)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::Suspects)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::Joined)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::Left)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::Built)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::Retired)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::CarriedOver)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::TryAgain)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::Replicate)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::Replace)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::Drain)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::Close)
