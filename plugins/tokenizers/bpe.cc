#include "plugins/tokenizers/bpe.hpp"

#include <algorithm>

#include "plugins/tokenizers/byte_alphabet.hpp"
#include "plugins/tokenizers/merge_table.hpp"
#include "plugins/tokenizers/sentence_piece.hpp"
#include "plugins/tokenizers/tokenizer_keys.hpp"
#include "plugins/tokenizers/word_splitter.hpp"
#include "runtime/text/joined.hpp"
#include "runtime/text/special_tokens.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe::plugins {
namespace {

using Units = PreTokenizer::Units;
using Whole = PreTokenizer::Whole;
using Bos = PreTokenizer::Bos;

constexpr std::uint64_t most_merges = 1U << 24;

/// What a tokenizer is made of.
struct Parts {
  const PreTokenizer* pre;
  WordSplitter splitter;
  Vocabulary vocabulary;
  SpecialTokens special;
  MergeTable merges;
  MarkedTokens marked;
};

class BpeTokenizer final : public Tokenizer {
 public:
  explicit BpeTokenizer(Parts parts);

  [[nodiscard]] std::vector<TokenId> encode(std::string_view text, bool parse_special) const override {
    return encode(text, Trust(parse_special));
  }
  [[nodiscard]] std::vector<TokenId> encode_spans(std::span<const TextSpan> parts) const override {
    return encode(joined_text(parts), Trust(parts));
  }
  [[nodiscard]] std::string piece(TokenId id, bool special) const override;
  [[nodiscard]] std::size_t size() const override { return vocabulary_.size(); }
  [[nodiscard]] std::size_t longest() const override { return vocabulary_.longest(); }
  [[nodiscard]] std::size_t memory_bytes() const override;

 private:
  [[nodiscard]] std::vector<TokenId> encode(std::string_view text, Trust trust) const;
  [[nodiscard]] bool of_bytes() const { return pre_.units == Units::bytes; }
  [[nodiscard]] TokenId plain_token(std::string_view text) const;
  [[nodiscard]] TokenId whole_word(std::string_view word) const;
  void encode_fragment(std::string_view text, PairMerger& merger, std::vector<TokenId>& ids) const;
  void encode_word(std::string_view word, PairMerger& merger, std::vector<TokenId>& ids) const;
  void push_units(std::string_view word, PairMerger& merger) const;

  const PreTokenizer& pre_;
  WordSplitter splitter_;
  Vocabulary vocabulary_;
  SpecialTokens special_;
  MergeTable merges_;
  ByteAlphabet alphabet_;
  std::array<TokenId, 256> byte_tokens_;  // -1: the vocabulary has none, and the byte is left out
};

BpeTokenizer::BpeTokenizer(Parts parts)
    : pre_(*parts.pre),
      splitter_(std::move(parts.splitter)),
      vocabulary_(std::move(parts.vocabulary)),
      special_(std::move(parts.special)),
      merges_(std::move(parts.merges)) {
  bos_ = parts.marked.bos;
  add_bos_ = parts.marked.add_bos;
  end_ = std::move(parts.marked.end);
  for (std::string& line : parts.marked.warnings) warn(std::move(line));
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const auto value = static_cast<std::uint8_t>(byte);
    byte_tokens_[byte] = plain_token(of_bytes() ? alphabet_.letter(value) : name_of_byte(value));
  }
}

/// The token of a text; -1 where there is none, or where it is a control token, which no text becomes by itself.
TokenId BpeTokenizer::plain_token(std::string_view text) const {
  const TokenId id = vocabulary_.find(text);
  return id >= 0 && vocabulary_.is_control(id) ? -1 : id;
}

std::vector<TokenId> BpeTokenizer::encode(std::string_view text, Trust trust) const {
  std::vector<TokenId> ids;
  PairMerger merger;
  const auto on_text = [&](std::string_view fragment) {
    if (!pre_.marks_spaces) return encode_fragment(fragment, merger, ids);
    encode_fragment(replaced(fragment, " ", space_mark), merger, ids);
  };
  special_.split(text, std::move(trust), on_text, [&](TokenId id) { ids.push_back(id); });
  return ids;
}

void BpeTokenizer::encode_fragment(std::string_view text, PairMerger& merger, std::vector<TokenId>& ids) const {
  for (const std::uint32_t length : splitter_.split(text)) {
    encode_word(text.substr(0, length), merger, ids);
    text.remove_prefix(length);
  }
}

/// The token that a word is without any merge; -1 where it is none.
TokenId BpeTokenizer::whole_word(std::string_view word) const {
  if (pre_.whole == Whole::none || word.size() > vocabulary_.longest()) return -1;
  if (pre_.whole == Whole::newlines && word.find_first_not_of('\n') != std::string_view::npos) return -1;
  return of_bytes() ? plain_token(alphabet_.letters(word)) : plain_token(word);
}

void BpeTokenizer::encode_word(std::string_view word, PairMerger& merger, std::vector<TokenId>& ids) const {
  if (const TokenId whole = whole_word(word); whole >= 0) return ids.push_back(whole);
  merger.begin(word.size());
  push_units(word, merger);
  merger.run(
      [&](const PairMerger::Symbol& left, const PairMerger::Symbol& right) { return merges_.find(left.id, right.id); });
  merger.for_each([&](const PairMerger::Symbol& symbol) {
    if (symbol.id >= 0) return ids.push_back(symbol.id);
    for (std::uint32_t i = symbol.begin; i < symbol.end; ++i) {
      const TokenId id = byte_tokens_[static_cast<unsigned char>(word[i])];
      if (id >= 0) ids.push_back(id);
    }
  });
}

void BpeTokenizer::push_units(std::string_view word, PairMerger& merger) const {
  for (std::uint32_t at = 0; at < word.size();) {
    const std::uint32_t end = of_bytes() ? at + 1 : at + first_char(word.substr(at)).length;
    const auto byte = static_cast<unsigned char>(word[at]);
    const TokenId id = of_bytes() ? byte_tokens_[byte] : plain_token(word.substr(at, end - at));
    if (id >= 0 || !of_bytes()) merger.push({at, end, id});
    at = end;
  }
}

std::string BpeTokenizer::piece(TokenId id, bool special) const {
  const std::string_view text = vocabulary_.text(id);
  if (vocabulary_.is_control(id)) return special ? std::string(text) : std::string();
  if (vocabulary_.kind(id) == TokenKind::user_defined) return std::string(text);
  if (of_bytes()) return alphabet_.bytes(text);
  if (const int byte = byte_of_name(text); byte >= 0) return {static_cast<char>(byte)};
  return pre_.marks_spaces ? replaced(text, space_mark, " ") : std::string(text);
}

std::size_t BpeTokenizer::memory_bytes() const {
  return sizeof(*this) + end_.capacity() * sizeof(TokenId) + splitter_.memory_bytes() + vocabulary_.memory_bytes() +
         special_.memory_bytes() + merges_.memory_bytes();
}

Result<const PreTokenizer*> look_up(const ModelFile& file, std::string_view name) {
  const auto known = pre_tokenizers();
  const auto at = std::ranges::find(known, name, &PreTokenizer::name);
  if (at != known.end()) return &*at;
  return Error(Code::unsupported, quoted(file.path) + ": the key \"tokenizer.ggml.pre\" names the pre-tokenizer " +
                                      quoted(name) + "; known here are " + joined(known, &PreTokenizer::name));
}

/// "left right" as ids. Merges of or to something that is no token can never be used, and are left out, and so are
/// those to a control token, which no text becomes by itself.
Result<MergeTable> read_merges(const ModelFile& file, const Vocabulary& vocabulary) {
  constexpr std::string_view key = "tokenizer.ggml.merges";
  const MetaValue* value = file.find(key);
  const auto* array = value == nullptr ? nullptr : std::get_if<MetaArray>(value);
  if (array == nullptr || array->kind != MetaArray::Kind::strings) {
    return Error(Code::bad_file, quoted(file.path) + ": the key " + quoted(key) + " is " +
                                     (value == nullptr ? "missing" : "no array of strings") + "; expected the merges");
  }
  if (array->count > most_merges) {
    return Error(Code::unsupported, quoted(file.path) + ": the key " + quoted(key) + " has " +
                                        std::to_string(array->count) + " elements; expected at most " +
                                        std::to_string(most_merges));
  }
  const std::vector<std::string_view> lines = array->strings();
  MergeTable merges(lines.size());
  std::string joined;
  for (const std::string_view line : lines) {
    const std::size_t space = line.find(' ', 1);
    if (space == std::string_view::npos) continue;
    const std::string_view left = line.substr(0, space), right = line.substr(space + 1);
    joined.assign(left).append(right);
    const TokenId ids[] = {vocabulary.find(left), vocabulary.find(right), vocabulary.find(joined)};
    if (ids[0] < 0 || ids[1] < 0 || ids[2] < 0 || vocabulary.is_control(ids[2])) continue;
    if (!merges.add(ids[0], ids[1], ids[2])) {
      return Error(Code::bad_file,
                   quoted(file.path) + ": the key " + quoted(key) + " has merges that are chosen to be slow to find");
    }
  }
  return merges;
}

Result<MarkedTokens> read_marks(const ModelFile& file, const Vocabulary& vocabulary, const PreTokenizer& pre) {
  auto marked = marked_tokens(file, vocabulary, {.add_bos = pre.bos != Bos::told});
  if (!marked || pre.bos != Bos::always || marked->bos < 0 || marked->add_bos) return marked;
  marked->add_bos = true;
  marked->warnings.push_back(quoted(file.path) + ": the key \"tokenizer.ggml.add_bos_token\" is false; models of " +
                             quoted(pre.name) + " need BOS, and it is added");
  return marked;
}

Result<std::unique_ptr<Tokenizer>> create(const ModelFile& file, std::string_view pre_name) {
  const auto pre = look_up(file, pre_name);
  if (!pre) return pre.error();
  auto splitter = WordSplitter::make((*pre)->patterns);
  if (!splitter) return splitter.error();
  auto vocabulary = Vocabulary::read(file);
  if (!vocabulary) return vocabulary.error();
  auto special = SpecialTokens::build(file, *vocabulary);
  if (!special) return special.error();
  auto merges = read_merges(file, *vocabulary);
  if (!merges) return merges.error();
  auto marked = read_marks(file, *vocabulary, **pre);
  if (!marked) return marked.error();
  return std::unique_ptr<Tokenizer>(
      std::make_unique<BpeTokenizer>(Parts{*pre, std::move(*splitter), std::move(*vocabulary), std::move(*special),
                                           std::move(*merges), std::move(*marked)}));
}

constexpr std::string_view pre_key = "tokenizer.ggml.pre";

Result<std::unique_ptr<Tokenizer>> create_gpt2(const ModelFile& file) {
  if (file.find(pre_key) != nullptr) {
    const auto name = file.string(pre_key);
    return name ? create(file, *name) : name.error();
  }
  auto tokenizer = create(file, "default");
  if (tokenizer) {
    (*tokenizer)
        ->warn(quoted(file.path) + ": the key " + quoted(pre_key) +
               " is missing; text is cut into words by \"default\", which may not be what this model was "
               "trained with");
  }
  return tokenizer;
}

Result<std::unique_ptr<Tokenizer>> create_gemma4(const ModelFile& file) { return create(file, "gemma4"); }

constexpr auto merged_keys = joined(tokenizer_keys, std::to_array<KnownKey>({
                                                        used("ggml.merges"),
                                                        harmless("ggml.scores", "merges decide"),
                                                        neutral("ggml.add_space_prefix", "false"),
                                                    }));
constexpr auto gpt2_keys = joined(merged_keys, std::to_array<KnownKey>({
                                                   used("ggml.pre"),
                                                   neutral("ggml.escape_whitespaces", "false"),
                                               }));
constexpr auto gemma4_keys = joined(merged_keys, std::to_array<KnownKey>({
                                                     neutral("ggml.pre", "gemma4"),
                                                     neutral("ggml.escape_whitespaces", "true"),
                                                 }));

}  // namespace

const TokenizerFormat bpe{"gpt2", create_gpt2, gpt2_keys};
const TokenizerFormat gemma4_bpe{"gemma4", create_gemma4, gemma4_keys};

}  // namespace troupe::plugins
