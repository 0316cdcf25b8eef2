#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/tokenizer.hpp"

namespace troupe {

/// What a token is for, numbered as GGUF's "tokenizer.ggml.token_type" numbers it.
enum class TokenKind : std::uint8_t { undefined, normal, unknown, control, user_defined, unused, byte };

/// The steps after which a search in a table gives up, and what it would not find any more is refused: so no file can
/// choose what makes it slow. Where nobody chose it, a table that is half full needs far fewer: of a million entries
/// some 70.
inline constexpr std::size_t longest_search = 256;

/// The tokens of a model file and a table that finds them by their bytes. Keeps views into the file, which must outlive
/// it. Immutable once read; any thread.
class Vocabulary {
 public:
  /// Reads "tokenizer.ggml.tokens" and, where the file has them, the kinds; more kinds than tokens are put up with.
  /// Errors name the key and what is wrong with it.
  [[nodiscard]] static Result<Vocabulary> read(const ModelFile& file);

  [[nodiscard]] std::size_t size() const { return texts_.size(); }

  /// For the two: 0 <= id < size(). The text is as the file has it; the kind too, but what ends a text by its name, and
  /// a user-defined token that the file marks as an end, are control tokens.
  [[nodiscard]] std::string_view text(TokenId id) const { return texts_[static_cast<std::size_t>(id)]; }
  [[nodiscard]] TokenKind kind(TokenId id) const { return kinds_[static_cast<std::size_t>(id)]; }

  /// The first token of that text; -1 where there is none.
  [[nodiscard]] TokenId find(std::string_view text) const;

  /// Whether a token only steers the model and is no part of the text.
  [[nodiscard]] bool is_control(TokenId id) const {
    return kind(id) == TokenKind::control || kind(id) == TokenKind::unknown;
  }

  /// Those that end a text, by the file's marks or by their known names; sorted.
  [[nodiscard]] const std::vector<TokenId>& end() const { return end_; }

  /// What was put up with, a line each: marks for ends that are none of the tokens.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

  /// Of the longest token, in bytes.
  [[nodiscard]] std::size_t longest() const { return longest_; }
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  [[nodiscard]] bool index();
  void note_ends(const std::vector<TokenId>& marked);

  std::vector<std::string_view> texts_;
  std::vector<TokenKind> kinds_;
  std::vector<TokenId> end_;
  std::vector<std::string> warnings_;
  std::size_t longest_ = 0;
  // Open addressing. A slot holds id + 1 in its low id_bits_ bits and bits of the hash above them; 0 is an empty slot.
  std::vector<std::uint32_t> slots_;
  std::uint32_t id_bits_ = 0;
};

/// The tokens to which a file gives a meaning.
struct MarkedTokens {
  TokenId bos = -1;  ///< -1: none; for `unknown` too
  TokenId unknown = -1;
  bool add_bos = false;                 ///< a prompt begins with bos
  std::vector<TokenId> end{};           ///< those that end a text, sorted
  std::vector<std::string> warnings{};  ///< what was put up with, the vocabulary's among it
};

/// `usual` is what the kind of tokenizer has where the file does not say: bos, and whether it is added. An id that is
/// none of the tokens is as if the file did not have it.
[[nodiscard]] Result<MarkedTokens> marked_tokens(const ModelFile& file, const Vocabulary& vocabulary,
                                                 const MarkedTokens& usual);

}  // namespace troupe
