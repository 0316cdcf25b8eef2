// Opens any bytes as an adapter of a small model, and writes the programs of one that fits.
#include "plugins/builtin.hpp"
#include "runtime/model/adapter.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/host/tiny_adapter.hpp"
#include "tests/host/tiny_model.hpp"

namespace troupe::testing {
namespace {

/// Of one layer, opened.
struct SmallModel {
  MemoryFile bytes{TinyModel{.layers = 1}.file()};
  ModelFile file = open_gguf(bytes.path()).value();
  ModelDescription description = plugins::llama.describe(file).value();
};

const SmallModel& model() {
  static const SmallModel made;
  return made;
}

/// One of two ranks, or the whole model.
GraphNode shard(bool half) {
  const ModelDescription& model = testing::model().description;
  GraphNode node{.name = "s", .kind = "shard"};
  const auto part = [&](std::uint32_t all) { return Range{0, half ? all / 2 : all}; };
  node.layers = {0, model.layer_count()};
  node.attention = part(model.attention_leaves());
  node.ffn = part(model.ffn_leaves());
  node.vocabulary = part(model.vocabulary);
  return node;
}

std::set<std::string_view> matrices() {
  std::set<std::string_view> names;
  for (const FileTensor& tensor : model().file.tensors) {
    if (tensor.rows > 1) names.insert(tensor.name);
  }
  return names;
}

/// Everything that the adapter has is in the program, where it lies.
void check_program(const Adapter& adapter, bool half) {
  const auto program = build_program(plugins::llama, model().file, model().description, shard(half),
                                     RankGrid{.tp = half ? 2U : 1U}, std::span(&adapter, 1));
  check(program.ok());
  std::set<std::string_view> placed;
  for (const Weight& weight : program->weights) placed.insert(weight.tensor);
  for (const auto& [name, pair] : adapter.matrices) {
    check(placed.contains(name + ".lora_a") && placed.contains(name + ".lora_b"));
    check(pair.rank > 0 && !pair.a.data.empty() && !pair.b.data.empty());
  }
}

void open(std::span<const std::byte> bytes) {
  const auto file = plugins::gguf.open_adapter(FileBytes::lend("input", bytes));
  if (!file) return check_error(file.error());
  read_everything(*file);
  static const AdaptedModel adapted{model().file, model().description.ends.embedding, matrices()};
  const auto adapter = read_adapter(*file, adapted, 1.0F);
  if (!adapter) return check_error(adapter.error());
  for (const bool half : {false, true}) check_program(*adapter, half);
}

std::string whole(std::uint64_t rank, const std::string& matrix) {
  TinyAdapter adapter{.rank = rank};
  adapter.has = [&](const std::string& name) { return name == matrix; };
  return adapter.file(model().file);
}

}  // namespace
}  // namespace troupe::testing

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  using namespace troupe::testing;
  static const std::string all[] = {whole(1, "blk.0.attn_k.weight"), whole(2, "blk.0.attn_output.weight"),
                                    whole(1, "token_embd.weight"), whole(1, "output.weight")};
  return mutate(all, data, size, most, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  troupe::testing::open(std::as_bytes(std::span(data, size)));
  return 0;
}
