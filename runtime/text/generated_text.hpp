#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "runtime/text/stop_strings.hpp"
#include "runtime/text/tokenizer.hpp"
#include "troupe/generate.hpp"

namespace troupe {

/// Where a text ends, but for what its host does.
struct TextTerms {
  std::uint32_t max_tokens = 0;
  bool fills_context = false;  ///< max_tokens is what the context has room for, and less than what was asked for
  bool ignore_end = false;
  std::shared_ptr<const StopStrings> stop{};  ///< null: none

  [[nodiscard]] bool ends_at(TokenId token, const Tokenizer& tokenizer) const {
    return !ignore_end && tokenizer.ends_text(token);
  }
};

/// A text as it is generated: what of it may be shown, and where and why it ends. A function of its terms and its
/// tokens alone, so that a text which goes on elsewhere is made anew from the tokens that it has.
class GeneratedText {
 public:
  explicit GeneratedText(TextTerms terms) : terms_(std::move(terms)), search_(terms_.stop) {}

  struct Pushed {
    std::optional<Token> token{};         ///< for the stream; its id is no_token behind an end token
    std::optional<FinishReason> ended{};  ///< end, stop, length or context
    const std::string* stop = nullptr;    ///< that was found
  };
  /// One more token. Precondition: the text has not ended.
  [[nodiscard]] Pushed push(TokenId token, const Tokenizer& tokenizer);

  /// Takes the tokens that an earlier one had: what they show has been shown.
  void replay(std::span<const TokenId> tokens, const Tokenizer& tokenizer);

 private:
  void end(FinishReason reason, Pushed& pushed);

  TextTerms terms_;
  std::uint32_t tokens_ = 0;
  Utf8Stream utf8_;
  StopSearch search_;
};

}  // namespace troupe
