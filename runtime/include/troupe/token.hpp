#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

using TokenId = std::int32_t;

/// Token::id of a text that has none.
inline constexpr TokenId no_token = -1;

/// A part of a text that comes from several hands. `trusted`: control tokens that stand in it verbatim, "<|im_end|>",
/// are these tokens; in what a user wrote they must not be.
struct TextSpan {
  std::string_view text{};
  bool trusted = false;
};

/// The same, with a text of its own.
struct TextPart {
  std::string text{};
  bool trusted = false;
};

/// An id and the natural logarithm of its probability.
struct TokenLogprob {
  TokenId id = no_token;
  float logprob = 0.0F;
};

/// A piece of a stream. `text` follows the ids, at times behind them: what is not yet a whole character, or may be the
/// beginning of a stop string, is held back, and comes with a later token. Where a text ends within a character, U+FFFD
/// stands for what is left of it. What is still held back at the end is in the text of the last token where the number
/// of tokens or the context ends the text, or, behind an end token, in a last piece that is no token: its id is
/// no_token, which is nothing to feed back.
struct Token {
  TokenId id = no_token;
  std::string text{};  ///< whole UTF-8 characters; may be empty

  /// Where GenerateOptions::logprobs asks for it: first the token itself, then the likeliest, the likeliest first (of
  /// equals the lowest id), the token perhaps among them.
  std::vector<TokenLogprob> logprobs{};
};

}  // namespace troupe
