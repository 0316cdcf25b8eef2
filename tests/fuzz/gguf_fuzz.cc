// Opens any bytes as a model file, and makes a tokenizer of what opens.
// An input that begins with an odd byte is a list of changes to a whole file, so that the fuzzer gets past the header.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "tests/runtime/tokenizer_fixture.hpp"

namespace troupe::testing {
namespace {

std::string whole_file(bool bpe) {
  GgufWriter writer = bpe ? tiny_bpe().bpe() : tiny_spm().spm();
  writer.number("general.alignment", ElementType::u32, 32U)
      .number("tokenizer.ggml.bos_token_id", ElementType::i32, 1)
      .number("a.f64", ElementType::f64, 0.5)
      .numbers("a.integers", ElementType::i16, std::vector<std::int16_t>{1, 2})
      .tensor("a", {32, 2}, 2, 0)
      .tensor("b", {2}, 0, 64);
  return writer.file(72);
}

/// Two bytes say where, the third what stands there from now on.
std::string changed(std::string file, std::span<const std::uint8_t> changes) {
  for (; changes.size() >= 3; changes = changes.subspan(3)) {
    const std::size_t at = changes[0] | (std::size_t{changes[1]} << 8);
    if (at < file.size()) file[at] = static_cast<char>(changes[2]);
  }
  return file;
}

std::string file_of(std::span<const std::uint8_t> input) {
  static const std::string files[] = {whole_file(false), whole_file(true)};
  if (input.empty() || input[0] % 2 == 0) return {reinterpret_cast<const char*>(input.data()), input.size()};
  return changed(files[input[0] / 2 % 2], input.subspan(1));
}

void use(const Tokenizer& tokenizer) {
  const auto ids = tokenizer.encode_prompt("hello <|im_start|><s> \n\n aaaa\xFF");
  for (const TokenId id : ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= tokenizer.size()) std::abort();
  }
  for (std::size_t id = 0; id < tokenizer.size(); ++id) (void)tokenizer.piece(static_cast<TokenId>(id), true);
}

}  // namespace
}  // namespace troupe::testing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace troupe;
  const testing::MemoryFile bytes(testing::file_of({data, size}));
  const auto file = plugins::gguf.open(bytes.path());
  if (!file) {
    if (file.error().message().find('\n') != std::string::npos) std::abort();
    return 0;
  }
  testing::read_everything(*file);
  for (const TokenizerFormat* format : {&plugins::bpe, &plugins::spm}) {
    if (const auto tokenizer = format->create(*file)) testing::use(**tokenizer);
  }
  return 0;
}
