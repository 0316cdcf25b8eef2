// Opens a whole model of any header, with zeros as its weights, and asks what a host would ask of it.
#include "actors/host/open.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/host/tiny_model.hpp"

namespace troupe::testing {
namespace {

constexpr std::size_t longest_header = std::size_t{64} << 10;

/// A model of one layer, cut into its header and the bytes of its weights.
struct SmallModel {
  std::string header;
  std::size_t data_bytes;
};

SmallModel small_model() {
  TinyModel model;
  model.layers = 1;
  std::string file = model.file();
  const MemoryFile bytes(file);
  const ModelFile opened = open_gguf(bytes.path()).value();
  const auto whole = static_cast<const FileBytes*>(opened.bytes.get())->bytes();
  const auto header = static_cast<std::size_t>(opened.tensors[0].data.data() - whole.data());
  return {file.substr(0, header), file.size() - header};
}

const SmallModel& model() {
  static const SmallModel made = small_model();
  return made;
}

void ask(const Checkpoint& checkpoint) {
  (void)checkpoint.metadata();
  (void)checkpoint.tensors();
  (void)checkpoint.detokenize(checkpoint.prompt("hello <|im_start|> \xFF aaaa"));
  try {
    const LoadOptions options{.threads = 1};
    (void)checkpoint.memory(checkpoint.expand(options), options);
  } catch (const Error& error) {
    check_error(error);
  }
}

/// The weights lie behind the header, and nothing behind them, so that a sanitizer sees who reads too far.
void open(std::string_view header) {
  static const plugins::Registry registry = plugins::builtin();
  static std::vector<std::byte> memory(longest_header + model().data_bytes);
  if (header.size() > longest_header) return;
  const auto file = std::span(memory).last(header.size() + model().data_bytes);
  std::memcpy(file.data(), header.data(), header.size());
  const auto opened = host::open_checkpoint(FileInMemory{.bytes = file, .name = "input"}, registry);
  if (opened) {
    ask(Checkpoint(*opened));
  } else {
    check_error(opened.error());
  }
  std::fill_n(file.begin(), header.size(), std::byte{});
}

}  // namespace
}  // namespace troupe::testing

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  using namespace troupe::testing;
  return mutate({&model().header, 1}, data, size, most, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  troupe::testing::open(troupe::testing::text_of(data, size));
  return 0;
}
