#include "runtime/text/vocabulary.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/model/known_keys.hpp"
#include "runtime/text/end_names.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

constexpr std::string_view tokens_key = "tokenizer.ggml.tokens";
constexpr std::string_view kinds_key = "tokenizer.ggml.token_type";
constexpr std::uint64_t most_tokens = 1U << 24;  // leaves 7 bits of a slot for the hash

std::uint64_t mix(std::uint64_t value) {
  value *= 0x9E3779B97F4A7C15ULL;
  return value ^ (value >> 32);
}

std::uint64_t hash(std::string_view text) {
  std::uint64_t state = text.size();
  while (text.size() >= 8) {
    std::uint64_t word;
    std::memcpy(&word, text.data(), 8);
    state = mix(state ^ word);
    text.remove_prefix(8);
  }
  std::uint64_t last = 0;
  for (const char c : text) last = (last << 8) | static_cast<unsigned char>(c);
  return mix(mix(state ^ last));
}

Error wrong(const ModelFile& file, std::string_view key, const std::string& why) {
  return {Code::bad_file, quoted(file.path) + ": the key " + quoted(key) + " " + why};
}

Result<std::vector<TokenKind>> read_kinds(const ModelFile& file, std::size_t tokens) {
  const MetaValue* value = file.find(kinds_key);
  if (value == nullptr) return std::vector<TokenKind>(tokens, TokenKind::normal);
  const auto* array = std::get_if<MetaArray>(value);
  if (array == nullptr || array->kind != MetaArray::Kind::integers)
    return wrong(file, kinds_key, "is no array of integers");
  if (array->count < tokens) {
    return wrong(file, kinds_key,
                 "has " + std::to_string(array->count) + " elements for " + std::to_string(tokens) + " tokens");
  }
  std::vector<TokenKind> kinds;
  kinds.reserve(tokens);
  for (const std::int64_t number : array->first(tokens).integers()) {
    const bool known = number >= 0 && number <= static_cast<std::int64_t>(TokenKind::byte);
    kinds.push_back(known ? static_cast<TokenKind>(number) : TokenKind::undefined);
  }
  return kinds;
}

/// The id under a key; -1 where the file has no such key, and, with a warning, where it is none of the tokens.
Result<TokenId> marked(const ModelFile& file, const Vocabulary& vocabulary, std::string_view key,
                       std::vector<std::string>& warnings) {
  const MetaValue* value = file.find(key);
  if (value == nullptr) return TokenId{-1};
  const auto* number = std::get_if<std::int64_t>(value);
  const bool negative = number != nullptr && *number < 0;
  if (!negative) {
    const auto id = file.integer(key);
    if (!id) return id.error();
    if (*id < vocabulary.size()) return static_cast<TokenId>(*id);
  }
  warnings.push_back(wrong(file, key,
                           "is " + shown_value(*value) + ", which is none of the " + std::to_string(vocabulary.size()) +
                               " tokens; it is ignored")
                         .message());
  return TokenId{-1};
}

/// The ids under the keys that mark what ends a text.
Result<std::vector<TokenId>> marked_ends(const ModelFile& file, const Vocabulary& vocabulary,
                                         std::vector<std::string>& warnings) {
  std::vector<TokenId> end;
  for (const auto key :
       {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id",
        "tokenizer.ggml.fim_pad_token_id", "tokenizer.ggml.fim_rep_token_id", "tokenizer.ggml.fim_sep_token_id"}) {
    const auto id = marked(file, vocabulary, key, warnings);
    if (!id) return id.error();
    if (*id >= 0) end.push_back(*id);
  }
  return end;
}

}  // namespace

Result<Vocabulary> Vocabulary::read(const ModelFile& file) {
  const MetaValue* value = file.find(tokens_key);
  if (value == nullptr) return wrong(file, tokens_key, "is missing; expected an array of strings");
  const auto* array = std::get_if<MetaArray>(value);
  if (array == nullptr || array->kind != MetaArray::Kind::strings)
    return wrong(file, tokens_key, "is no array of strings");
  if (array->count == 0 || array->count > most_tokens) {
    return wrong(file, tokens_key,
                 "has " + std::to_string(array->count) + " elements; expected 1 to " + std::to_string(most_tokens));
  }
  Vocabulary vocabulary;
  vocabulary.texts_ = array->strings();
  auto kinds = read_kinds(file, vocabulary.texts_.size());
  if (!kinds) return kinds.error();
  vocabulary.kinds_ = std::move(*kinds);
  if (!vocabulary.index()) return wrong(file, tokens_key, "has tokens that are chosen to be slow to find");
  const auto marked = marked_ends(file, vocabulary, vocabulary.warnings_);
  if (!marked) return marked.error();
  vocabulary.note_ends(*marked);
  return vocabulary;
}

/// What ends a text is no part of it, whatever type the file gives it, and is not for a user to write. A marked token
/// of the normal type is left to be text as well: some files mark a line's end so.
void Vocabulary::note_ends(const std::vector<TokenId>& marked) {
  end_ = tokens_named_as_ends(*this);
  for (const TokenId id : end_) kinds_[static_cast<std::size_t>(id)] = TokenKind::control;
  for (const TokenId id : marked) {
    if (kind(id) == TokenKind::user_defined) kinds_[static_cast<std::size_t>(id)] = TokenKind::control;
    end_.push_back(id);
  }
  std::sort(end_.begin(), end_.end());
  end_.erase(std::unique(end_.begin(), end_.end()), end_.end());
}

/// False where one would be too far from its place.
bool Vocabulary::index() {
  id_bits_ = static_cast<std::uint32_t>(std::bit_width(texts_.size()));
  slots_.assign(std::bit_ceil(texts_.size() * 2), 0);
  for (std::size_t id = 0; id < texts_.size(); ++id) {
    longest_ = std::max(longest_, texts_[id].size());
    if (find(texts_[id]) >= 0) continue;
    const std::uint64_t h = hash(texts_[id]);
    std::size_t slot = h & (slots_.size() - 1);
    for (std::size_t step = 1; slots_[slot] != 0; ++step) {
      if (step == longest_search) return false;
      slot = (slot + 1) & (slots_.size() - 1);
    }
    const auto tag = static_cast<std::uint32_t>(h >> 32) >> id_bits_ << id_bits_;
    slots_[slot] = tag | static_cast<std::uint32_t>(id + 1);
  }
  return true;
}

TokenId Vocabulary::find(std::string_view text) const {
  const std::uint64_t h = hash(text);
  const std::uint32_t tag = static_cast<std::uint32_t>(h >> 32) >> id_bits_;
  std::size_t slot = h & (slots_.size() - 1);
  for (std::size_t step = 0; step < longest_search && slots_[slot] != 0;
       ++step, slot = (slot + 1) & (slots_.size() - 1)) {
    if (slots_[slot] >> id_bits_ != tag) continue;
    const std::uint32_t id = (slots_[slot] & ((1U << id_bits_) - 1)) - 1;
    if (texts_[id] == text) return static_cast<TokenId>(id);
  }
  return -1;
}

std::size_t Vocabulary::memory_bytes() const {
  return texts_.capacity() * sizeof(std::string_view) + kinds_.capacity() * sizeof(TokenKind) +
         end_.capacity() * sizeof(TokenId) + slots_.capacity() * sizeof(std::uint32_t);
}

Result<MarkedTokens> marked_tokens(const ModelFile& file, const Vocabulary& vocabulary, const MarkedTokens& usual) {
  constexpr std::string_view bos_key = "tokenizer.ggml.bos_token_id", add_key = "tokenizer.ggml.add_bos_token";
  MarkedTokens marks{.end = vocabulary.end(), .warnings = vocabulary.warnings()};
  const auto bos = marked(file, vocabulary, bos_key, marks.warnings);
  if (!bos) return bos.error();
  const auto unknown = marked(file, vocabulary, "tokenizer.ggml.unknown_token_id", marks.warnings);
  if (!unknown) return unknown.error();
  marks.bos = *bos >= 0 || usual.bos >= static_cast<TokenId>(vocabulary.size()) ? *bos : usual.bos;
  marks.unknown = *unknown;
  const auto add = file.boolean_or(add_key, usual.add_bos);
  if (!add) return add.error();
  marks.add_bos = *add && marks.bos >= 0;
  const bool asks = *add && file.find(add_key) != nullptr;
  if (asks && marks.bos < 0 && file.find(bos_key) == nullptr) {
    return wrong(file, add_key, "is true, but " + quoted(bos_key) + " is missing");
  }
  return marks;
}

}  // namespace troupe
