#include "actors/sampler.hpp"

#include <caf/all.hpp>

#include "actors/failure.hpp"

namespace troupe::actors {
namespace {

using Self = SamplerActor::stateful_pointer<SamplerState>;

/// An embedding may have more rows than the tokenizer has tokens.
std::string piece_of(const Tokenizer& tokenizer, TokenId token) {
  return static_cast<std::size_t>(token) < tokenizer.size() ? tokenizer.piece(token, false) : std::string();
}

/// A text that another replica has begun stands as it left it, once it has been told what that has shown.
void begin_text(Self self, const Begin& begin, const Tokenizer& tokenizer) {
  auto& text = self->state.open[begin.request->sequence.id];
  text.request = begin.request;
  text.tokens = static_cast<std::uint32_t>(begin.log.size());
  for (const TokenId token : begin.log) (void)text.utf8.push(piece_of(tokenizer, token));
}

/// Ends a text towards the host, with what an end token left over of a character.
void end_text(Self self, const RouterActor& router, SequenceId id, const std::optional<Error>& why) {
  const auto text = self->state.open.find(id);
  if (text == self->state.open.end()) return;
  if (std::string rest = text->second.utf8.finish(); !rest.empty() && !why) {
    self->send(router, Emit{id, {no_token, std::move(rest)}, self->state.epoch});
  }
  self->state.open.erase(text);
  self->send(router, End{id, why, self->state.epoch});
}

}  // namespace

SamplerActor::behavior_type sampler(Self self, Epoch epoch, std::shared_ptr<const Tokenizer> tokenizer,
                                    RouterActor router) {
  end_on_exception(self);
  self->state.epoch = epoch;
  return {
      [=](const Begin& begin) { begin_text(self, begin, *tokenizer); },
      [=](const Sampled& sampled) {
        for (const auto& [id, token] : sampled.tokens) {
          const auto text = self->state.open.find(id);
          if (text == self->state.open.end()) continue;
          const Request& request = *text->second.request;
          const bool ends = request.ends_at(token, *tokenizer);
          const bool last = !ends && ++text->second.tokens >= request.sequence.max_tokens;
          if (!ends) {
            Token piece{token, text->second.utf8.push(piece_of(*tokenizer, token))};
            if (last) piece.text += text->second.utf8.finish();
            self->send(router, Emit{id, std::move(piece), self->state.epoch});
          }
          if (ends || last) end_text(self, router, id, std::nullopt);
        }
      },
      [=](const End& end) { end_text(self, router, end.id, end.why); },
  };
}

}  // namespace troupe::actors
