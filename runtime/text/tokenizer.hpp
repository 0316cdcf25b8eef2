#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/model/known_keys.hpp"
#include "runtime/model/model_file.hpp"
#include "troupe/error.hpp"
#include "troupe/runtime.hpp"

namespace troupe {

/// Text to ids and back, as one model's file defines it. Immutable; any thread.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Ids of a text, without BOS. User-defined tokens that stand in the text are parsed, control and unknown ones where
  /// `parse_special`. Never fails: bytes that are not UTF-8 become byte tokens; where the vocabulary has none, the
  /// unknown token, or nothing if it is byte-level. Linear in the text's length.
  [[nodiscard]] virtual std::vector<TokenId> encode(std::string_view text, bool parse_special = true) const = 0;

  /// Ids of a text in parts, without BOS: as of the whole text, but a control or unknown token is parsed only where all
  /// of it is trusted. A tokenizer that has no such tokens may leave this as it is: part by part.
  [[nodiscard]] virtual std::vector<TokenId> encode_spans(std::span<const TextSpan> parts) const;

  /// The bytes of one token, as they stand in running text; empty for control tokens unless `special`.
  /// Precondition: 0 <= id < size().
  [[nodiscard]] virtual std::string piece(TokenId id, bool special) const = 0;

  /// Whether encode puts a space of its own in front of text behind a token, or, behind no_token, at the beginning.
  [[nodiscard]] virtual bool adds_space_behind(TokenId before) const;

  [[nodiscard]] virtual std::size_t size() const = 0;  ///< tokens in the vocabulary

  /// Bytes of a text that one token stands for, at most; a tokenizer that does not know may leave this as it is. Text
  /// that becomes no token at all is not counted.
  [[nodiscard]] virtual std::size_t longest() const { return SIZE_MAX; }

  [[nodiscard]] virtual std::size_t memory_bytes()
      const = 0;  ///< anonymous memory that it holds, as `inspect` counts it

  /// Ids of a prompt: encode, with BOS in front where the file asks for it and the text does not begin with it.
  [[nodiscard]] std::vector<TokenId> encode_prompt(std::string_view text, bool parse_special = true) const;
  [[nodiscard]] std::vector<TokenId> encode_prompt(std::span<const TextSpan> parts) const;

  [[nodiscard]] bool ends_text(TokenId id) const;                          ///< eos, eot, and their known names
  [[nodiscard]] const std::vector<TokenId>& ends() const { return end_; }  ///< all of those, sorted

  /// What the file said that was put up with, a line each, for the log.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  void warn(std::string line) { warnings_.push_back(std::move(line)); }  ///< only while it is made

 protected:
  TokenId bos_ = -1;  ///< -1: none
  bool add_bos_ = false;
  std::vector<TokenId> end_;  ///< sorted

 private:
  [[nodiscard]] std::vector<TokenId> behind_bos(std::vector<TokenId> ids) const;

  std::vector<std::string> warnings_;
};

/// The pieces of ids, one after the other, special tokens printed or not, without the spaces that encode puts there.
/// The ids must be in the vocabulary.
[[nodiscard]] std::string decode(const Tokenizer& tokenizer, std::span<const TokenId> ids, bool special);

/// Joins pieces into text that never ends within a UTF-8 character. Bytes that can never become one are replaced by
/// U+FFFD.
class Utf8Stream {
 public:
  [[nodiscard]] std::string push(std::string_view bytes);  ///< what is complete by now
  [[nodiscard]] std::string finish();                      ///< what is left, an unfinished character replaced

 private:
  std::string pending_;
};

/// A kind of tokenizer, found by "tokenizer.ggml.model". The tokenizer keeps views into the file: `file` must outlive
/// it.
struct TokenizerFormat {
  std::string_view name;  ///< "gpt2", "llama"
  Result<std::unique_ptr<Tokenizer>> (*create)(const ModelFile& file);
  std::span<const KnownKey> keys;  ///< all that are known behind "tokenizer."; a file with any other is refused
};

}  // namespace troupe
