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
  self->state.open.insert_or_assign(begin.request->sequence.id, std::move(text));
}

void take(Self self, const Sampled::One& sampled, const Others& others) {
  const auto text = self->state.open.find(sampled.id);
  if (text == self->state.open.end()) return;
  auto [token, ended, stop] = text->second.push(sampled.token, *others.tokenizer);
  if (token && token->id != no_token && sampled.logprobs) token->logprobs = *sampled.logprobs;
  const Epoch epoch = self->state.epoch;
  std::optional<Finish> last;
  if (ended) last.emplace(Finish{.reason = *ended});
  if (stop != nullptr) last->stop = *stop;
  if (stop != nullptr) self->send(others.scheduler, Complete{sampled.id});
  if (ended) self->state.open.erase(text);
  if (token) {
    self->send(others.router, Emit{sampled.id, std::move(*token), std::move(last), epoch, sampled.surprise_bound});
  } else if (last) {
    self->send(others.router, End{sampled.id, std::move(*last), epoch});
  }
}

}  // namespace

SamplerActor::behavior_type sampler(Self self, Epoch epoch, std::shared_ptr<const Tokenizer> tokenizer,
                                    RouterActor router, SchedulerActor scheduler) {
  end_on_exception(self);
  self->state.epoch = epoch;
  const Others others{std::move(tokenizer), std::move(router), std::move(scheduler)};
  return {
      [=](const Begin& message) { begin(self, message, *others.tokenizer); },
      [=](const Sampled& sampled) {
        for (const Sampled::One& each : sampled.tokens) take(self, each, others);
      },
      [=](const End& end) {
        if (self->state.open.erase(end.id) != 0) self->send(others.router, End{end.id, end.how, self->state.epoch});
      },
  };
}

}  // namespace troupe::actors
