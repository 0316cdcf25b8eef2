// Opens any bytes as a model file, and makes a tokenizer of what opens.
#include "tests/fuzz/fuzz.hpp"
#include "tests/runtime/tokenizer_fixture.hpp"

namespace troupe::testing {
namespace {

std::string whole_file(GgufWriter writer) {
  writer.number("general.alignment", ElementType::u32, 32U)
      .number("tokenizer.ggml.bos_token_id", ElementType::i32, 1)
      .number("a.f64", ElementType::f64, 0.5)
      .numbers("a.integers", ElementType::i16, std::vector<std::int16_t>{1, 2})
      .tensor("a", {32, 2}, 2, 0)
      .tensor("b", {2}, 0, 64);
  return writer.file(72);
}

/// Some tokens are enough: the whole alphabet makes a file that is slow to change.
TinyVocabulary shorter(TinyVocabulary vocabulary, std::size_t from, std::size_t to) {
  vocabulary.tokens.erase(vocabulary.tokens.begin() + from, vocabulary.tokens.begin() + to);
  vocabulary.kinds.erase(vocabulary.kinds.begin() + from, vocabulary.kinds.begin() + to);
  vocabulary.scores.erase(vocabulary.scores.begin() + from, vocabulary.scores.begin() + to);
  return vocabulary;
}

void use(const Tokenizer& tokenizer) {
  const auto ids = tokenizer.encode_prompt("hello <|im_start|><s> \n\n aaaa\xFF");
  for (const TokenId id : ids) check(id >= 0 && static_cast<std::size_t>(id) < tokenizer.size());
  for (std::size_t id = 0; id < tokenizer.size(); ++id) (void)tokenizer.piece(static_cast<TokenId>(id), true);
}

void open(std::span<const std::byte> bytes) {
  const auto file = plugins::gguf.open(FileBytes::lend("input", bytes));
  if (!file) return check_error(file.error());
  read_everything(*file);
  for (const TokenizerFormat* format : {&plugins::bpe, &plugins::spm}) {
    const auto tokenizer = format->create(*file);
    if (!tokenizer) {
      check_error(tokenizer.error());
    } else {
      use(**tokenizer);
    }
  }
}

}  // namespace
}  // namespace troupe::testing

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  using namespace troupe::testing;
  static const std::string whole[] = {whole_file(shorter(tiny_bpe(), 128, 256).bpe()), whole_file(tiny_bpe().bpe()),
                                      whole_file(shorter(tiny_spm(), 0, 256).spm()), whole_file(tiny_spm().spm())};
  return mutate(whole, data, size, most, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  troupe::testing::open(std::as_bytes(std::span(data, size)));
  return 0;
}
