#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/vocabulary.hpp"

namespace troupe {

/// Whether tokens of a kind are found in a text verbatim, and made by no merge.
[[nodiscard]] bool stands_verbatim(TokenKind kind);

/// The whole text.
[[nodiscard]] std::string joined_text(std::span<const TextSpan> parts);

/// Which bytes of a text are trusted: only where all of theirs are, control and unknown tokens are parsed.
class Trust {
 public:
  explicit Trust(bool all);                         ///< all of them, or none
  explicit Trust(std::span<const TextSpan> parts);  ///< those of some parts of the text

  /// Where the trusted bytes end among which a place is; 0 where it is not. Places must not fall from call to call.
  [[nodiscard]] std::size_t end_at(std::size_t place);

 private:
  struct Stretch {
    std::size_t begin, end;
  };
  std::vector<Stretch> stretches_;  ///< in order, apart
  std::size_t next_ = 0;
};

/// Finds the tokens that stand in a text verbatim and that no merge may make or cut: user-defined ones and, where they
/// the text is trusted, control and unknown ones. Where several begin, the longest counts. In some models they take the
/// white space behind them along. A tree of bytes: linear in the text, whatever stands in it. Immutable; any thread.
class SpecialTokens {
 public:
  /// An error where such a token is longer than 256 bytes, which bounds the work for a byte of text.
  [[nodiscard]] static Result<SpecialTokens> build(const ModelFile& file, const Vocabulary& vocabulary);

  struct Match {
    std::size_t begin, end;  ///< in bytes, with what it takes along; the text's end where there is none
    TokenId id;              ///< -1 where there is none
  };
  /// The first at or behind a place.
  [[nodiscard]] Match next(std::string_view text, std::size_t from, Trust& trust) const;

  /// Hands the text on in order: on_text(fragment) for what stands between special tokens, never empty, on_token(id)
  /// for them.
  template <class OnText, class OnToken>
  void split(std::string_view text, Trust trust, OnText&& on_text, OnToken&& on_token) const {
    for (std::size_t at = 0; at < text.size();) {
      const Match match = next(text.substr(0, at + longest_fragment), at, trust);
      if (match.begin > at) on_text(text.substr(at, match.begin - at));
      if (match.id >= 0) on_token(match.id);
      at = match.end;
    }
  }

  [[nodiscard]] std::size_t memory_bytes() const { return nodes_.capacity() * sizeof(Node); }

 private:
  static constexpr std::size_t longest_fragment = std::size_t{1}
                                                  << 30;  ///< so that 32 bits count its bytes, escaped or not

  /// The children of a node stand side by side, sorted by byte.
  struct Node {
    std::uint32_t first_child = 0;
    std::uint16_t children = 0;
    unsigned char byte = 0;
    bool control = false;      ///< whether the token is a control or an unknown one
    bool takes_space = false;  ///< whether it takes the white space behind it along
    TokenId id = -1;           ///< the token that ends here
  };

  [[nodiscard]] const Node* child(const Node& node, char byte) const;
  void grow(const Vocabulary& vocabulary, std::vector<TokenId> tokens, bool take_space);

  std::vector<Node> nodes_;  ///< in order of depth, the root first
  std::array<bool, 256> starts_{};
};

}  // namespace troupe
