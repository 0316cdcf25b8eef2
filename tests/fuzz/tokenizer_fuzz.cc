// Any bytes as text: to ids, back, and through a stream in two parts.
#include <cstdint>
#include <cstdlib>

#include "runtime/text/utf8.hpp"
#include "tests/runtime/tokenizer_fixture.hpp"

namespace troupe::testing {
namespace {

void check(bool held) {
  if (!held) std::abort();
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Char c = first_char(text);
    if (c.kind != Utf8Char::Kind::valid) return false;
    text.remove_prefix(c.length);
  }
  return true;
}

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

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  troupe::testing::check_text({reinterpret_cast<const char*>(data + 1), size - 1}, data[0]);
  return 0;
}
