// What the rooms' READMEs say about adding things, kept true: a file format, an architecture, a tokenizer, a device, a
// transport and an actor kind, each a few lines here and one line in a registry. Plans, fusion and the numerics
// contract follow by themselves. added_test.py does the same for what is compiled in.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <deque>
#include <random>

#include <unistd.h>

#include "actors/host/open.hpp"
#include "actors/host/runtime.hpp"
#include "plugins/architectures/common.hpp"
#include "plugins/builtin.hpp"
#include "runtime/device/cpu/cpu_device.hpp"
#include "tests/device/on_processor.hpp"
#include "tests/host/stored.hpp"
#include "transport/memory/memory.hpp"
#include "troupe/troupe.hpp"

namespace {

using namespace troupe;

/// The file's bytes: everything that views point into.
struct Toy {
  std::deque<std::string> names;
  std::deque<std::vector<std::byte>> tensors;
};

/// One matrix of each layer is quantised, so that what reads it is.
void add_tensor(ModelFile& file, Toy& toy, const std::string& name, std::uint64_t rows, std::uint64_t columns) {
  std::mt19937 engine(static_cast<unsigned>(file.tensors.size()));
  std::vector<float> values(rows * columns, 1.0F);
  if (rows > 1) {
    for (float& value : values) value = static_cast<float>(engine() % 2001) / 1e4F - 0.1F;
  }
  const auto format = name.ends_with("o.weight") ? kernels::Format::q8_0 : kernels::Format::f32;
  const auto& bytes = toy.tensors.emplace_back(testing::stored(format, values));
  file.tensors.push_back({toy.names.emplace_back(name), format, rows, columns, bytes});
}

// A file format: its first bytes and how it is opened.
Result<ModelFile> open_toy(const std::shared_ptr<const FileBytes>& bytes) {
  const auto toy = std::make_shared<Toy>();
  ModelFile file;
  file.path = bytes->path();
  file.description = "a toy";
  const auto text = [&](const char* key, const char* value) {
    file.metadata.push_back({key, std::string_view(value)});
  };
  const auto number = [&](const char* key, std::uint64_t value) { file.metadata.push_back({key, value}); };
  text("general.architecture", "toy");
  text("tokenizer.ggml.model", "toy");
  number("toy.block_count", 3);
  number("toy.embedding_length", 64);
  number("toy.feed_forward_length", 256);
  number("toy.attention.head_count", 4);
  number("toy.attention.head_count_kv", 2);
  number("toy.attention.key_length", 32);
  number("toy.context_length", 256);
  file.metadata.push_back({"toy.attention.layer_norm_rms_epsilon", 1e-5});
  add_tensor(file, *toy, "token_embd.weight", 300, 64);
  add_tensor(file, *toy, "output_norm.weight", 1, 64);
  for (int layer = 0; layer < 3; ++layer) {
    const std::string block = "blk." + std::to_string(layer) + ".";
    add_tensor(file, *toy, block + "norm.weight", 1, 64);
    add_tensor(file, *toy, block + "q.weight", 128, 64);
    add_tensor(file, *toy, block + "k.weight", 64, 64);
    add_tensor(file, *toy, block + "v.weight", 64, 64);
    add_tensor(file, *toy, block + "o.weight", 64, 128);
    add_tensor(file, *toy, block + "gate.weight", 256, 64);
    add_tensor(file, *toy, block + "up.weight", 256, 64);
    add_tensor(file, *toy, block + "down.weight", 64, 256);
  }
  file.bytes = toy;
  return file;
}
constexpr FileFormat toy_format{"toy", "TOY!", open_toy};

// An architecture: its numbers, and its layers as plain ops. This one runs attention and FFN side by side on one norm.
Result<ModelDescription> describe(const ModelFile& file) {
  return plugins::describe_transformer(file, "toy", {.default_theta = 500.0, .rope_style = kernels::RopeStyle::halves});
}

void layer(ProgramBuilder& b, const ModelDescription&, std::uint32_t) {
  const ValueId x = b.rms_norm(b.hidden(), "norm.weight");
  const ValueId q = b.matmul(x, "q.weight", Cut::query_heads);
  const ValueId k = b.matmul(x, "k.weight", Cut::kv_heads);
  const ValueId v = b.matmul(x, "v.weight", Cut::kv_heads);
  b.rope(q, 0);
  b.rope(k, 0);
  b.kv_append(k, v);
  const ValueId o = b.row_parallel(b.attention(q, 0.2F, 100), "o.weight", Cut::query_heads);
  const ValueId gate = b.matmul(x, "gate.weight", Cut::ffn);
  const ValueId up = b.matmul(x, "up.weight", Cut::ffn);
  const ValueId f = b.row_parallel(b.gelu_mul(gate, up), "down.weight", Cut::ffn);
  b.add(b.hidden(), o);
  b.add(b.hidden(), f);
}
constexpr Architecture toy_architecture{"toy", describe, layer, plugins::transformer_keys};

// A tokenizer: a token a byte.
class Bytes : public Tokenizer {
 public:
  [[nodiscard]] std::vector<TokenId> encode(std::string_view text, bool) const override {
    std::vector<TokenId> ids;
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  [[nodiscard]] std::string piece(TokenId id, bool) const override {
    return id < 256 ? std::string(1, static_cast<char>(id)) : std::string();
  }
  [[nodiscard]] std::size_t size() const override { return 300; }
  [[nodiscard]] std::size_t memory_bytes() const override { return 0; }
};
constexpr KnownKey toy_keys[] = {used("ggml.model")};
constexpr TokenizerFormat toy_tokenizer{
    "toy", [](const ModelFile&) -> Result<std::unique_ptr<Tokenizer>> { return {std::make_unique<Bytes>()}; },
    toy_keys};

// A transport: its name, and who makes the ends. This one borrows those of "memory", and counts them.
std::atomic<int> toy_ends;

class ToyTransport : public transport::Transport {
 public:
  explicit ToyTransport(std::unique_ptr<Transport> lender) : lender_(std::move(lender)) {}
  Result<std::unique_ptr<transport::Sender>> make_sender(const transport::ChannelSpec& spec,
                                                         transport::WaitPolicy policy) override {
    ++toy_ends;
    return lender_->make_sender(spec, policy);
  }
  Result<std::unique_ptr<transport::Receiver>> make_receiver(const transport::ChannelSpec& spec,
                                                             transport::WaitPolicy policy) override {
    ++toy_ends;
    return lender_->make_receiver(spec, policy);
  }
  Result<std::unique_ptr<transport::Communicator>> make_rank(const transport::GroupSpec& spec, int rank,
                                                             transport::WaitPolicy policy) override {
    ++toy_ends;
    return lender_->make_rank(spec, rank, policy);
  }

 private:
  std::unique_ptr<Transport> lender_;
};
constexpr transport::TransportKind toy_transport{"toy", []() -> Result<std::unique_ptr<transport::Transport>> {
                                                   auto lender = transport::memory.open();
                                                   if (!lender) return lender.error();
                                                   return {std::make_unique<ToyTransport>(std::move(*lender))};
                                                 }};

// A device: the processor, with a name of its own and no fused ops.
class Plain : public testing::OnProcessor {
 public:
  using OnProcessor::OnProcessor;
  [[nodiscard]] std::string_view name() const override { return "plain"; }
  [[nodiscard]] std::span<const FusionRule> rules() const override { return {}; }
  [[nodiscard]] Result<std::unique_ptr<ProgramRunner>> make_runner(ProgramParts parts) const override {
    ++runners;
    return OnProcessor::make_runner(std::move(parts));
  }
  static inline int runners = 0;
};
constexpr DeviceKind toy_device{
    "plain", [] { return std::vector<std::string>{"plain"}; },
    [](std::string_view, const DeviceOptions& options) -> Result<std::shared_ptr<const Device>> {
      auto processor = cpu_kind.open({}, options);
      if (!processor) return processor.error();
      return {std::make_shared<const Plain>(std::move(*processor))};
    }};

plugins::Registry with_toys() {
  plugins::Registry registry = plugins::builtin();
  registry.formats.push_back(&toy_format);
  registry.architectures.push_back(&toy_architecture);
  registry.tokenizers.push_back(&toy_tokenizer);
  registry.devices.push_back(&toy_device);
  registry.transports.push_back(&toy_transport);
  return registry;
}

Checkpoint open_with_toys() {
  char path[] = "toyXXXXXX";
  const int descriptor = mkstemp(path);
  REQUIRE(descriptor >= 0);
  REQUIRE(write(descriptor, "TOY!", 4) == 4);
  close(descriptor);
  auto opened = host::open_checkpoint(path, with_toys());
  unlink(path);
  return Checkpoint(std::move(opened).value());
}

std::vector<float> all_logits(const Model& model) {
  std::vector<float> all;
  const std::string text =
      "a text that is longer than one block of the KV cache, and than the window of this toy model, too: "
      "so that chunks, blocks and windows all have their say in what comes out in the end.";
  model.logits(model.checkpoint().tokenize(text), true,
               [&](std::uint32_t, std::span<const float> row) { all.insert(all.end(), row.begin(), row.end()); });
  return all;
}

TEST_CASE("what is added takes part in every plan, fused or not, with the same bits") {
  const Checkpoint checkpoint = open_with_toys();
  const Runtime runtime;
  const std::vector<float> expected = all_logits(runtime.load(checkpoint, {.isa = "reference"}));
  REQUIRE(expected.size() > 100 * 300);
  for (const std::string& plan : checkpoint.plans(4)) {
    for (const bool fusion : {true, false}) {
      INFO(plan << (fusion ? ", fused" : ", plain"));
      const std::vector<float> got =
          all_logits(runtime.load(checkpoint, {.plan = plan, .chunk = 50, .fusion = fusion}));
      REQUIRE(got.size() == expected.size());
      CHECK(std::memcmp(got.data(), expected.data(), expected.size() * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("a transport that is added carries what a graph's edges and groups give it, with the same bits") {
  const Checkpoint checkpoint = open_with_toys();
  const Runtime runtime = Runtime::Impl::runtime_with(with_toys());
  Graph graph = checkpoint.expand({.plan = "pp2.tp2"});
  for (GraphEdge& edge : graph.edges) edge.via = "toy";
  for (GraphGroup& group : graph.groups) group.via = "toy";
  toy_ends = 0;
  const auto through = all_logits(runtime.load(checkpoint, graph));
  CHECK(toy_ends == 10);  // tokens to two shards, one hidden state, two groups of two
  CHECK(through == all_logits(runtime.load(checkpoint)));
}

TEST_CASE("a device that is added runs shards beside the others, with the same bits") {
  const Checkpoint checkpoint = open_with_toys();
  const Runtime runtime;
  const LoadOptions options{.plan = "pp2.tp2", .threads = 1};
  Graph graph = checkpoint.expand(options);
  for (const char* shard : {"r0.s0.t1", "r0.s1.t0"}) {
    std::find_if(graph.nodes.begin(), graph.nodes.end(), [&](const GraphNode& node) {
      return node.name == shard;
    })->device = "plain";
  }
  CHECK(checkpoint.program(graph, "r0.s0.t1", options).find("rope_append") == std::string::npos);
  CHECK(checkpoint.program(graph, "r0.s0.t0", options).find("rope_append") != std::string::npos);
  Plain::runners = 0;
  const auto got = all_logits(runtime.load(checkpoint, graph, options));
  CHECK(Plain::runners == 2);
  CHECK(got == all_logits(runtime.load(checkpoint)));
}

TEST_CASE("a kind of actor that a host adds takes part in a graph") {
  struct Count : Actor {
    explicit Count(std::size_t& total) : total_(total) {}
    void on_step(const StepView& step) override { total_ += step.rows.size(); }
    std::size_t& total_;
  };
  std::size_t rows = 0;
  Runtime runtime;
  runtime.add_actor("count", [&](const auto&) { return std::make_unique<Count>(rows); });
  const Checkpoint checkpoint = open_with_toys();
  Graph graph = checkpoint.expand({.plan = "pp2"});
  graph.insert({.name = "tap", .kind = "count"}, "r0.s0.t0:hidden", "r0.s1.t0:hidden");
  const auto with = all_logits(runtime.load(checkpoint, graph));
  CHECK(with == all_logits(runtime.load(checkpoint)));
  CHECK(rows * 300 == with.size());
}

}  // namespace
