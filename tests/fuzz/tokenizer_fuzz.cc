// Any bytes as text: to ids and back, by every kind of tokenizer and every pre-tokenizer, which the first byte chooses,
// cut where the second says into a part that is trusted and one that is not, and through a stream in two parts.
#include "plugins/tokenizers/pre_tokenizers.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/runtime/tokenizer_fixture.hpp"

namespace troupe::testing {
namespace {

std::string through_stream(std::string_view text, std::size_t cut) {
  Utf8Stream stream;
  std::string out = stream.push(text.substr(0, cut));
  check(is_utf8(out));
  out += stream.push(text.substr(cut));
  out += stream.finish();
  return out;
}

/// A tokenizer of every name, of the same small vocabulary.
std::vector<LoadedTokenizer> of_every_name() {
  std::vector<LoadedTokenizer> all;
  for (const plugins::PreTokenizer& pre : plugins::pre_tokenizers()) {
    const bool of_bytes = pre.units == plugins::PreTokenizer::Units::bytes;
    GgufWriter writer = of_bytes ? tiny_bpe().bpe(std::string(pre.name)) : tiny_spm().bpe(std::string(pre.name));
    all.push_back(load_tokenizer(writer).value());
  }
  all.push_back(load_tokenizer(tiny_spm().spm()).value());
  return all;
}

/// Where U+2581 is a space, a text that has it does not come back.
bool comes_back(std::string_view text, const Tokenizer& tokenizer) {
  return tokenizer.piece(263, true) != " " || text.find("▁") == std::string_view::npos;
}

/// The whole text is trusted up to a place; no control token comes of what is behind it.
void check_spans(std::string_view text, std::size_t cut, const Tokenizer& tokenizer) {
  const TextSpan parts[] = {{text.substr(0, cut), true}, {text.substr(cut), false}};
  const std::vector<TokenId> ids = tokenizer.encode_spans(parts);
  const auto controls = [&](const std::vector<TokenId>& all) {
    return std::count_if(all.begin(), all.end(), [&](TokenId id) { return tokenizer.piece(id, false).empty(); });
  };
  check(controls(ids) <= controls(tokenizer.encode(text.substr(0, cut), true)));
  check(controls(tokenizer.encode(text, false)) == 0);
  if (comes_back(text, tokenizer)) check(decode(tokenizer, ids, true) == text);
}

void check_text(std::string_view text, std::uint8_t choice, std::uint8_t place) {
  static const std::vector<LoadedTokenizer> all = of_every_name();
  const Tokenizer& tokenizer = *all[choice % all.size()].tokenizer;
  const std::size_t cut = place % (text.size() + 1);
  for (const bool parse_special : {true, false}) {
    const std::vector<TokenId> ids = tokenizer.encode(text, parse_special);
    for (const TokenId id : ids) check(id >= 0 && static_cast<std::size_t>(id) < tokenizer.size());
    if (comes_back(text, tokenizer)) check(decode(tokenizer, ids, true) == text);
  }
  check_spans(text, cut, tokenizer);
  const std::string out = through_stream(text, cut);
  check(is_utf8(out));
  check(out == through_stream(text, 0));
  if (is_utf8(text)) check(out == text);
}

}  // namespace
}  // namespace troupe::testing

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  static const std::string whole[] = {"0Z hello hello  \r\n\n a1'LL aaaa<|im_end|>><|im_start|>",
                                      "1A<s>hello</s>▁<unk>\n\n", "2Bé ß 中文 \xF0\x9F\x91\xA9 don't",
                                      "3C1234567 ½x IMGIMGABZ  12\n"};
  return troupe::testing::mutate(whole, data, size, most, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 1) troupe::testing::check_text(troupe::testing::text_of(data + 2, size - 2), data[0], data[1]);
  return 0;
}
