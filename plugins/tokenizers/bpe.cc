#include "plugins/tokenizers/bpe.hpp"

#include <algorithm>

#include "plugins/tokenizers/byte_alphabet.hpp"
#include "plugins/tokenizers/merge_table.hpp"
#include "plugins/tokenizers/tokenizer_keys.hpp"
#include "plugins/tokenizers/word_scanner.hpp"
#include "runtime/text/joined.hpp"
#include "runtime/text/special_tokens.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe::plugins {
namespace {

struct PreTokenizer {
  std::string_view name;
  bool single_digits;
};

constexpr PreTokenizer pre_tokenizers[] = {{"smollm", true}, {"gpt-2", false}};

constexpr std::uint64_t most_merges = 1U << 24;

class BpeTokenizer final : public Tokenizer {
 public:
  BpeTokenizer(Vocabulary vocabulary, SpecialTokens special, MergeTable merges, MarkedTokens marked,
               bool single_digits);

  [[nodiscard]] std::vector<TokenId> encode(std::string_view text, bool parse_special) const override;
  [[nodiscard]] std::string piece(TokenId id, bool special) const override;
  [[nodiscard]] std::size_t size() const override { return vocabulary_.size(); }
  [[nodiscard]] std::size_t memory_bytes() const override;

 private:
  void encode_word(std::string_view word, PairMerger& merger, std::vector<TokenId>& ids) const;

  Vocabulary vocabulary_;
  SpecialTokens special_;
  MergeTable merges_;
  ByteAlphabet alphabet_;
  std::array<TokenId, 256> byte_tokens_;  // -1: the vocabulary has none, and the byte is left out
  bool single_digits_;
};

BpeTokenizer::BpeTokenizer(Vocabulary vocabulary, SpecialTokens special, MergeTable merges, MarkedTokens marked,
                           bool single_digits)
    : vocabulary_(std::move(vocabulary)),
      special_(std::move(special)),
      merges_(std::move(merges)),
      single_digits_(single_digits) {
  bos_ = marked.bos;
  add_bos_ = marked.add_bos;
  end_ = std::move(marked.end);
  for (std::size_t byte = 0; byte < 256; ++byte) {
    byte_tokens_[byte] = vocabulary_.find(alphabet_.letter(static_cast<std::uint8_t>(byte)));
  }
}

std::vector<TokenId> BpeTokenizer::encode(std::string_view text, bool parse_special) const {
  std::vector<TokenId> ids;
  PairMerger merger;
  const auto on_text = [&](std::string_view fragment) {
    WordScanner words(fragment, single_digits_);
    for (std::string_view word = words.next(); !word.empty(); word = words.next()) encode_word(word, merger, ids);
  };
  special_.split(text, parse_special, on_text, [&](TokenId id) { ids.push_back(id); });
  return ids;
}

void BpeTokenizer::encode_word(std::string_view word, PairMerger& merger, std::vector<TokenId>& ids) const {
  merger.begin(word.size());
  for (std::uint32_t i = 0; i < word.size(); ++i) {
    const TokenId id = byte_tokens_[static_cast<unsigned char>(word[i])];
    if (id >= 0) merger.push({i, i + 1, id});
  }
  merger.run(
      [&](const PairMerger::Symbol& left, const PairMerger::Symbol& right) { return merges_.find(left.id, right.id); });
  merger.for_each([&](const PairMerger::Symbol& symbol) { ids.push_back(symbol.id); });
}

std::string BpeTokenizer::piece(TokenId id, bool special) const {
  if (vocabulary_.is_control(id) && !special) return {};
  const bool verbatim = vocabulary_.is_control(id) || vocabulary_.kind(id) == TokenKind::user_defined;
  return verbatim ? std::string(vocabulary_.text(id)) : alphabet_.bytes(vocabulary_.text(id));
}

std::size_t BpeTokenizer::memory_bytes() const {
  return sizeof(*this) + end_.capacity() * sizeof(TokenId) + vocabulary_.memory_bytes() + special_.memory_bytes() +
         merges_.memory_bytes();
}

Result<const PreTokenizer*> pre_tokenizer(const ModelFile& file) {
  const auto name = file.string("tokenizer.ggml.pre");
  if (!name) return name.error();
  const auto* at = std::find_if(std::begin(pre_tokenizers), std::end(pre_tokenizers),
                                [&](const PreTokenizer& p) { return p.name == *name; });
  if (at != std::end(pre_tokenizers)) return at;
  return Error(Code::unsupported, quoted(file.path) + ": the key \"tokenizer.ggml.pre\" names the pre-tokenizer " +
                                      quoted(*name) + "; known here are " +
                                      joined(pre_tokenizers, &PreTokenizer::name));
}

/// "left right" as ids. Merges of or to something that is no token can never be used, and are left out.
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
    if (ids[0] >= 0 && ids[1] >= 0 && ids[2] >= 0) merges.add(ids[0], ids[1], ids[2]);
  }
  return merges;
}

Result<std::unique_ptr<Tokenizer>> create(const ModelFile& file) {
  const auto pre = pre_tokenizer(file);
  if (!pre) return pre.error();
  auto vocabulary = Vocabulary::read(file);
  if (!vocabulary) return vocabulary.error();
  auto special = SpecialTokens::build(file, *vocabulary);
  if (!special) return special.error();
  auto merges = read_merges(file, *vocabulary);
  if (!merges) return merges.error();
  auto marked = marked_tokens(file, *vocabulary, false);
  if (!marked) return marked.error();
  return std::unique_ptr<Tokenizer>(std::make_unique<BpeTokenizer>(
      std::move(*vocabulary), std::move(*special), std::move(*merges), std::move(*marked), (*pre)->single_digits));
}

constexpr auto keys = joined(tokenizer_keys, std::to_array<KnownKey>({
                                                 used("ggml.pre"),
                                                 used("ggml.merges"),
                                                 harmless("ggml.scores", "merges decide"),
                                                 neutral("ggml.add_space_prefix", "false"),
                                                 neutral("ggml.escape_whitespaces", "false"),
                                             }));

}  // namespace

const TokenizerFormat bpe{"gpt2", create, keys};

}  // namespace troupe::plugins
