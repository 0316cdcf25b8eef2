#pragma once

#include <caf/actor_clock.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/typed_actor.hpp>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

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

// host -> router -> scheduler
struct Submit {
  std::shared_ptr<const Request> request;
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
  };
  std::vector<One> tokens;
};
struct Emit {
  SequenceId id;
  Token token;
};
struct End {
  SequenceId id;
  Finish how;
};

// sampler -> scheduler: a text is complete, by what only its words say
struct Complete {
  SequenceId id;
};

// scheduler -> itself, for its requests' deadlines
struct LookAtClock {
  caf::actor_clock::time_point when;
};

// supervisor -> router
struct ReplicaDown {
  std::uint32_t replica;
  Error why;
};

// host -> supervisor: ends the model's actors
struct Close {};

using MemberActor = caf::typed_actor<caf::reacts_to<RunStep>>;
using StageActor = caf::typed_actor<caf::reacts_to<RunStep>, caf::reacts_to<StepRan>>;
using SchedulerActor = caf::typed_actor<caf::reacts_to<Submit>, caf::reacts_to<Stop>, caf::reacts_to<StepRan>,
                                        caf::reacts_to<LookAtClock>, caf::reacts_to<Complete>>;
using SamplerActor = caf::typed_actor<caf::reacts_to<Begin>, caf::reacts_to<Sampled>, caf::reacts_to<End>>;

// supervisor -> router, once
struct Replicas {
  std::vector<SchedulerActor> schedulers;
};

using RouterActor = caf::typed_actor<caf::reacts_to<Replicas>, caf::reacts_to<Submit>, caf::reacts_to<Stop>,
                                     caf::reacts_to<Emit>, caf::reacts_to<End>, caf::reacts_to<ReplicaDown>>;
using SupervisorActor = caf::typed_actor<caf::reacts_to<Close>>;

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
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::ReplicaDown)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::Replicas)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::Close)
