#include "plugins/tokenizers/spm.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "plugins/tokenizers/pair_merger.hpp"
#include "plugins/tokenizers/sentence_piece.hpp"
#include "plugins/tokenizers/tokenizer_keys.hpp"
#include "runtime/text/special_tokens.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe::plugins {
namespace {

constexpr std::string_view scores_key = "tokenizer.ggml.scores";

/// A number that is the smaller the higher the score is, and never MinTree::none.
std::int32_t rank_of_score(float score) {
  const auto bits = std::bit_cast<std::int32_t>(score + 0.0F);  // both zeros are one score
  const std::int32_t ascending = bits < 0 ? bits ^ INT32_MAX : bits;
  return std::min(~ascending, MinTree::none - 1);
}

struct Settings {
  MarkedTokens marked;
  bool add_space_prefix;
};

class SpmTokenizer final : public Tokenizer {
 public:
  SpmTokenizer(Vocabulary vocabulary, SpecialTokens special, const std::vector<float>& scores, Settings settings);

  [[nodiscard]] std::vector<TokenId> encode(std::string_view text, bool parse_special) const override {
    return encode(text, Trust(parse_special));
  }
  [[nodiscard]] std::vector<TokenId> encode_spans(std::span<const TextSpan> parts) const override {
    return encode(joined_text(parts), Trust(parts));
  }
  [[nodiscard]] std::string piece(TokenId id, bool special) const override;
  [[nodiscard]] bool adds_space_behind(TokenId before) const override;
  [[nodiscard]] std::size_t size() const override { return vocabulary_.size(); }
  [[nodiscard]] std::size_t longest() const override { return vocabulary_.longest(); }
  [[nodiscard]] std::size_t memory_bytes() const override;

 private:
  [[nodiscard]] std::vector<TokenId> encode(std::string_view text, Trust trust) const;
  [[nodiscard]] std::size_t word_length(std::string_view text) const;
  [[nodiscard]] PairMerger::Merge find(std::string_view text) const;
  void encode_word(std::string_view word, PairMerger& merger, std::vector<TokenId>& ids) const;
  void append_bytes(std::string_view bytes, std::vector<TokenId>& ids) const;
  void note_token(TokenId id);

  Vocabulary vocabulary_;
  SpecialTokens special_;
  std::vector<std::int32_t> ranks_;       // MinTree::none: no merge makes this token
  std::array<TokenId, 256> byte_tokens_;  // -1: none
  std::array<bool, 256> before_mark_{};   // bytes that stand right before a space mark in some token
  TokenId unknown_;
  bool add_space_prefix_;
};

SpmTokenizer::SpmTokenizer(Vocabulary vocabulary, SpecialTokens special, const std::vector<float>& scores,
                           Settings settings)
    : vocabulary_(std::move(vocabulary)),
      special_(std::move(special)),
      unknown_(settings.marked.unknown),
      add_space_prefix_(settings.add_space_prefix) {
  bos_ = settings.marked.bos;
  add_bos_ = settings.marked.add_bos;
  end_ = std::move(settings.marked.end);
  for (std::string& line : settings.marked.warnings) warn(std::move(line));
  byte_tokens_.fill(-1);
  ranks_.reserve(scores.size());
  for (const float score : scores) {
    ranks_.push_back(rank_of_score(score));
    note_token(static_cast<TokenId>(ranks_.size() - 1));
  }
}

/// Special tokens and bytes are never made by merging.
void SpmTokenizer::note_token(TokenId id) {
  const std::string_view text = vocabulary_.text(id);
  const int byte = byte_of_name(text);
  if (byte >= 0) byte_tokens_[static_cast<std::size_t>(byte)] = vocabulary_.find(text);
  if (vocabulary_.is_control(id) || byte >= 0) {
    ranks_.back() = MinTree::none;
    return;
  }
  for (std::size_t at = text.find(space_mark, 1); at != std::string_view::npos; at = text.find(space_mark, at + 1)) {
    before_mark_[static_cast<unsigned char>(text[at - 1])] = true;
  }
}

std::vector<TokenId> SpmTokenizer::encode(std::string_view text, Trust trust) const {
  std::vector<TokenId> ids;
  PairMerger merger;
  bool prefix = add_space_prefix_;
  const auto on_text = [&](std::string_view fragment) {
    std::string marked = replaced(fragment, " ", space_mark);
    if (prefix) marked.insert(0, space_mark);
    prefix = false;
    for (std::string_view rest = marked; !rest.empty();) {
      const std::size_t length = word_length(rest);
      encode_word(rest.substr(0, length), merger, ids);
      rest.remove_prefix(length);
    }
  };
  const auto on_token = [&](TokenId id) {
    ids.push_back(id);
    prefix = add_space_prefix_;
  };
  special_.split(text, std::move(trust), on_text, on_token);
  return ids;
}

/// Up to a place that no token spans. Merges never cross it, so that the words before and after it are encoded by
/// themselves, which is faster because they fit the processor's caches.
std::size_t SpmTokenizer::word_length(std::string_view text) const {
  for (std::size_t at = text.find(space_mark, 1); at != std::string_view::npos; at = text.find(space_mark, at + 1)) {
    if (!before_mark_[static_cast<unsigned char>(text[at - 1])]) return at;
  }
  return text.size();
}

PairMerger::Merge SpmTokenizer::find(std::string_view text) const {
  if (text.size() > vocabulary_.longest()) return {};
  const TokenId id = vocabulary_.find(text);
  if (id < 0) return {};
  return {ranks_[static_cast<std::size_t>(id)], id};
}

void SpmTokenizer::encode_word(std::string_view word, PairMerger& merger, std::vector<TokenId>& ids) const {
  merger.begin(word.size());
  for (std::uint32_t at = 0; at < word.size();) {
    const std::uint32_t end = at + first_char(word.substr(at)).length;
    merger.push({at, end, -1});
    at = end;
  }
  merger.run([&](const PairMerger::Symbol& left, const PairMerger::Symbol& right) {
    return find(word.substr(left.begin, right.end - left.begin));
  });
  merger.for_each([&](const PairMerger::Symbol& symbol) {
    const std::string_view text = word.substr(symbol.begin, symbol.end - symbol.begin);
    const PairMerger::Merge whole = symbol.id >= 0 ? PairMerger::Merge{0, symbol.id} : find(text);
    if (whole.rank != MinTree::none) {
      ids.push_back(whole.id);
    } else {
      append_bytes(text, ids);
    }
  });
}

void SpmTokenizer::append_bytes(std::string_view bytes, std::vector<TokenId>& ids) const {
  for (const char c : bytes) {
    const TokenId byte = byte_tokens_[static_cast<unsigned char>(c)];
    const TokenId id = byte >= 0 ? byte : unknown_;
    if (id >= 0) ids.push_back(id);
  }
}

std::string SpmTokenizer::piece(TokenId id, bool special) const {
  const std::string_view text = vocabulary_.text(id);
  if (vocabulary_.is_control(id)) return special ? std::string(text) : std::string();
  if (vocabulary_.kind(id) == TokenKind::user_defined) return std::string(text);
  if (const int byte = byte_of_name(text); byte >= 0) return {static_cast<char>(byte)};
  return replaced(text, space_mark, " ");
}

bool SpmTokenizer::adds_space_behind(TokenId before) const {
  return add_space_prefix_ && (before == no_token || stands_verbatim(vocabulary_.kind(before)));
}

std::size_t SpmTokenizer::memory_bytes() const {
  return sizeof(*this) + end_.capacity() * sizeof(TokenId) + vocabulary_.memory_bytes() + special_.memory_bytes() +
         ranks_.capacity() * sizeof(std::int32_t);
}

/// Integers are numbers too, and what is behind the last token's is left alone.
Result<std::vector<float>> read_scores(const ModelFile& file, std::size_t tokens) {
  const auto wrong = [&](const std::string& why) {
    return Error(Code::bad_file, quoted(file.path) + ": the key " + quoted(scores_key) + " " + why);
  };
  const MetaValue* value = file.find(scores_key);
  if (value == nullptr) return wrong("is missing; expected a score for every token");
  const auto* array = std::get_if<MetaArray>(value);
  const bool whole = array != nullptr && array->kind == MetaArray::Kind::integers;
  if (!whole && (array == nullptr || array->kind != MetaArray::Kind::floats)) return wrong("is no array of numbers");
  if (array->count < tokens) {
    return wrong("has " + std::to_string(array->count) + " elements for " + std::to_string(tokens) + " tokens");
  }
  std::vector<float> scores = array->first(tokens).floats();
  for (const std::int64_t score : array->first(tokens).integers()) scores.push_back(static_cast<float>(score));
  return scores;
}

Result<std::unique_ptr<Tokenizer>> create(const ModelFile& file) {
  auto vocabulary = Vocabulary::read(file);
  if (!vocabulary) return vocabulary.error();
  auto special = SpecialTokens::build(file, *vocabulary);
  if (!special) return special.error();
  const auto scores = read_scores(file, vocabulary->size());
  if (!scores) return scores.error();
  auto marked = marked_tokens(file, *vocabulary, {.bos = 1, .add_bos = true});
  if (!marked) return marked.error();
  const auto prefix = file.boolean_or("tokenizer.ggml.add_space_prefix", true);
  if (!prefix) return prefix.error();
  return std::unique_ptr<Tokenizer>(std::make_unique<SpmTokenizer>(std::move(*vocabulary), std::move(*special), *scores,
                                                                   Settings{std::move(*marked), *prefix}));
}

constexpr auto keys = joined(tokenizer_keys, std::to_array<KnownKey>({
                                                 used("ggml.scores"),
                                                 used("ggml.add_space_prefix"),
                                                 harmless("ggml.merges", "scores decide"),
                                                 neutral("ggml.pre", "default"),
                                                 neutral("ggml.escape_whitespaces", "true"),
                                             }));

}  // namespace

const TokenizerFormat spm{"llama", create, keys};

}  // namespace troupe::plugins
