// Any bytes as text: to ids and back, by both kinds of tokenizer, and through a stream in two parts.
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

void check_text(std::string_view text, std::size_t cut) {
  static const LoadedTokenizer bpe = load_tokenizer(tiny_bpe().bpe()).value();
  static const LoadedTokenizer spm = load_tokenizer(tiny_spm().spm()).value();
  for (const bool parse_special : {true, false}) {
    check(decode(*bpe.tokenizer, bpe.tokenizer->encode(text, parse_special), true) == text);
  }
  for (const TokenId id : spm.tokenizer->encode(text)) {
    check(id >= 0 && static_cast<std::size_t>(id) < spm.tokenizer->size());
  }
  const std::string out = through_stream(text, cut % (text.size() + 1));
  check(is_utf8(out));
  check(out == through_stream(text, 0));
  if (is_utf8(text)) check(out == text);
}

}  // namespace
}  // namespace troupe::testing

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  static const std::string whole[] = {"0 hello hello  \r\n\n a1'LL aaaa<|im_end|>><|im_start|>",
                                      "1<s>hello</s>▁<unk>\n\n", "2é ß 中文 \xF0\x9F\x91\xA9 don't"};
  return troupe::testing::mutate(whole, data, size, most, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 0) troupe::testing::check_text(troupe::testing::text_of(data + 1, size - 1), data[0]);
  return 0;
}
