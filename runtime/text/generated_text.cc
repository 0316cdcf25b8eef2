#include "runtime/text/generated_text.hpp"

namespace troupe {
namespace {

/// An embedding may have more rows than the tokenizer has tokens.
std::string piece_of(const Tokenizer& tokenizer, TokenId token) {
  return static_cast<std::size_t>(token) < tokenizer.size() ? tokenizer.piece(token, false) : std::string();
}

}  // namespace

/// The text ends by itself: what has been held back is shown, unless what is left of a character completes a stop.
void GeneratedText::end(FinishReason reason, Pushed& pushed) {
  auto [shown, found] = search_.push(utf8_.finish());
  if (found == nullptr) shown += search_.finish();
  if (!pushed.token && !shown.empty()) pushed.token = Token{no_token};
  if (pushed.token) pushed.token->text += shown;
  pushed.stop = found;
  pushed.ended = found == nullptr ? reason : FinishReason::stop;
}

GeneratedText::Pushed GeneratedText::push(TokenId token, const Tokenizer& tokenizer) {
  Pushed pushed;
  if (terms_.ends_at(token, tokenizer)) {
    end(FinishReason::end, pushed);
    return pushed;
  }
  auto [shown, found] = search_.push(utf8_.push(piece_of(tokenizer, token)));
  pushed.token = Token{token, std::move(shown)};
  if (found != nullptr) {
    pushed.ended = FinishReason::stop;
    pushed.stop = found;
  } else if (++tokens_ >= terms_.max_tokens) {
    end(terms_.fills_context ? FinishReason::context : FinishReason::length, pushed);
  }
  return pushed;
}

void GeneratedText::replay(std::span<const TokenId> tokens, const Tokenizer& tokenizer) {
  for (const TokenId token : tokens) (void)push(token, tokenizer);
}

}  // namespace troupe
