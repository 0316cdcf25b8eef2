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

/// Ends a text towards the host, with what an end token left over of a character.
void end_text(Self self, const RouterActor& router, SequenceId id, const std::optional<Error>& why) {
  const auto text = self->state.open.find(id);
  if (text == self->state.open.end()) return;
  if (std::string rest = text->second.utf8.finish(); !rest.empty() && !why) {
    self->send(router, Emit{id, {no_token, std::move(rest)}});
  }
  self->state.open.erase(text);
  self->send(router, End{id, why});
}

}  // namespace

SamplerActor::behavior_type sampler(Self self, std::shared_ptr<const Tokenizer> tokenizer, RouterActor router) {
  end_on_exception(self);
  return {
      [=](const Begin& begin) { self->state.open[begin.request->sequence.id].request = begin.request; },
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
            self->send(router, Emit{id, std::move(piece)});
          }
          if (ends || last) end_text(self, router, id, std::nullopt);
        }
      },
      [=](const End& end) { end_text(self, router, end.id, end.why); },
  };
}

}  // namespace troupe::actors
