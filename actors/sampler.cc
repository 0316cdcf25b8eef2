#include "actors/sampler.hpp"

#include <caf/all.hpp>

#include "actors/failure.hpp"

namespace troupe::actors {
namespace {

using Self = SamplerActor::stateful_pointer<SamplerState>;

struct Others {
  std::shared_ptr<const Tokenizer> tokenizer;
  RouterActor router;
  SchedulerActor scheduler;
};

void begin(Self self, const Begin& begin, const Tokenizer& tokenizer) {
  GeneratedText text(begin.request->terms);
  text.replay(begin.said, tokenizer);
  self->state.open.insert_or_assign(begin.request->sequence.id, SamplerState::Text{begin.request, std::move(text)});
}

void take(Self self, const Sampled::One& sampled, const Others& others) {
  const auto text = self->state.open.find(sampled.id);
  if (text == self->state.open.end()) return;
  auto [token, ended, stop] = text->second.text.push(sampled.token, *others.tokenizer);
  if (token && token->id != no_token && sampled.logprobs) token->logprobs = *sampled.logprobs;
  if (token) self->send(others.router, Emit{sampled.id, std::move(*token)});
  if (!ended) return;
  End end{sampled.id, {.reason = *ended}};
  if (stop != nullptr) end.how.stop = *stop;
  if (stop != nullptr) self->send(others.scheduler, Complete{sampled.id});
  self->state.open.erase(text);
  self->send(others.router, std::move(end));
}

}  // namespace

SamplerActor::behavior_type sampler(Self self, std::shared_ptr<const Tokenizer> tokenizer, RouterActor router,
                                    SchedulerActor scheduler) {
  end_on_exception(self);
  const Others others{std::move(tokenizer), std::move(router), std::move(scheduler)};
  return {
      [=](const Begin& message) { begin(self, message, *others.tokenizer); },
      [=](const Sampled& sampled) {
        for (const Sampled::One& each : sampled.tokens) take(self, each, others);
      },
      [=](const End& end) {
        if (self->state.open.erase(end.id) != 0) self->send(others.router, end);
      },
  };
}

}  // namespace troupe::actors
