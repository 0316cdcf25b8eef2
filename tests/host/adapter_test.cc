// LoRA adapters: what they do to a model, and which are refused. tests/golden/adapters_test.py holds them to float64.
#include "actors/host/workshop.hpp"
#include "tests/host/house.hpp"
#include "tests/host/tiny_adapter.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

const ModelFile& tiny_file() {
  static const ModelFile file = open_gguf(tiny_path()).value();
  return file;
}

std::string adapter_of(const TinyAdapter& adapter) { return adapter.file(tiny_file()); }

/// One adapter or several on the disk.
class Adapters {
 public:
  explicit Adapters(const std::vector<std::string>& files, float scale = 1.0F) {
    for (const std::string& file : files) {
      options.adapters.push_back({folder_.write("a" + std::to_string(options.adapters.size()), file), scale});
    }
  }
  LoadOptions options{.threads = 1};

 private:
  TemporaryFolder folder_;
};

std::vector<float> logits_with(const LoadOptions& options) {
  return logits_of_two_blocks(Runtime().load(tiny_path(), options));
}

Error refusal(const std::string& file, float scale = 1.0F) {
  const Adapters adapters({file}, scale);
  return error_of([&] { (void)Runtime().open(tiny_path(), adapters.options); });
}

void check_refused(const std::string& file, Code code, const std::string& what) {
  const Error error = refusal(file);
  CHECK(error.code() == code);
  CHECK_THAT(error.message(), Contains(what));
}

/// An adapter of these tensors.
std::string of_tensors(const std::vector<std::pair<std::string, std::vector<std::uint64_t>>>& tensors,
                       std::uint32_t type = 0) {
  GgufWriter writer;
  writer.string("general.type", "adapter").string("general.architecture", "llama").string("adapter.type", "lora");
  std::uint64_t at = 0;
  for (const auto& [name, dimensions] : tensors) {
    writer.tensor(name, dimensions, type, at);
    at += 65536;  // more than any has
  }
  return writer.file(at);
}

std::string with_keys(const std::function<void(GgufWriter&)>& keys) {
  TinyAdapter adapter;
  adapter.keys = keys;
  return adapter_of(adapter);
}

std::uint64_t weights_of(const LoadOptions& options) {
  const Checkpoint checkpoint = Runtime().open(tiny_path(), options);
  std::uint64_t bytes = 0;
  for (const ActorMemory& actor : checkpoint.memory(checkpoint.expand(options), options)) bytes += actor.weights;
  return bytes;
}

}  // namespace

TEST_CASE("an adapter changes a model by its scale, and two do not take each other's place") {
  const std::string one = adapter_of({}), two = adapter_of({.rank = 5, .seed = 2});
  const std::vector<float> plain = logits_with({.threads = 1}), with_one = logits_with(Adapters({one}).options);
  const std::vector<float> with_two = logits_with(Adapters({two}).options),
                           both = logits_with(Adapters({one, two}).options);
  CHECK(with_one != plain);
  CHECK(with_two != with_one);
  CHECK((both != with_one && both != with_two));
  CHECK(logits_with(Adapters({one}, 0.5F).options) != with_one);
  CHECK(logits_with(Adapters({one, two}, 0.0F).options) == plain);
}

TEST_CASE("an adapter's factor is its alpha by its rank, and one without alpha") {
  const auto alpha = [](float value) {
    return with_keys([=](GgufWriter& writer) { writer.number("adapter.lora.alpha", ElementType::f32, value); });
  };
  const std::vector<float> plain = logits_with(Adapters({with_keys([](GgufWriter&) {})}).options);
  CHECK(logits_with(Adapters({alpha(3.0F)}).options) == plain);  // its rank is 3
  CHECK(logits_with(Adapters({alpha(0.0F)}).options) == plain);
  CHECK(logits_with(Adapters({alpha(6.0F)}, 0.5F).options) == plain);
  CHECK(logits_with(Adapters({alpha(6.0F)}).options) != plain);
}

TEST_CASE("adapters count as memory, and in copies") {
  const std::string one = adapter_of({}), two = adapter_of({.seed = 2});
  const std::uint64_t plain = weights_of({.threads = 1}), with_one = weights_of(Adapters({one}).options);
  CHECK(with_one > plain);
  CHECK(weights_of(Adapters({one, two}).options) - with_one == with_one - plain);  // of the same names, and two

  const Runtime runtime;
  std::optional<Adapters> adapters(std::in_place, std::vector{one, two});
  const std::vector<float> expected = logits_with(adapters->options);
  const Checkpoint checkpoint = runtime.open(tiny_path(), adapters->options);
  const Model model = runtime.load(checkpoint, {.threads = 1, .copy = true});
  std::uint64_t file = 0;
  for (const ActorMemory& actor : model.checkpoint().memory(model.checkpoint().expand({}), {})) {
    file += actor.actor == "file" ? actor.other : 0;
  }
  CHECK(file == TinyModel{}.file().size() + one.size() + two.size());
  adapters.reset();
  CHECK(logits_of_two_blocks(model) == expected);
}

TEST_CASE("weights: those of a model and its adapters are packed once for all replicas") {
  const Adapters adapters({adapter_of({}), adapter_of({.seed = 2})});
  const Checkpoint checkpoint = Runtime().open(tiny_path(), adapters.options);
  const Graph graph = checkpoint.expand({.plan = "dp2", .threads = 1});
  std::vector<WantedWeights> wanted;
  for (const GraphNode& node : graph.nodes) {
    if (!node.holds_layers()) continue;
    wanted.push_back(host::shard_of(*checkpoint.impl(), node, {}, {.context = checkpoint.context()}).value());
  }
  WeightStore store;
  const auto loaded = store.load(checkpoint.impl(), wanted, 1, [](std::size_t, std::size_t) { return true; }).value();
  REQUIRE(loaded.size() == 2);
  CHECK(loaded[0]->pieces == loaded[1]->pieces);
  CHECK(store.bytes() == weights_of(adapters.options));
}

TEST_CASE("fault 19: of an adapter that does not fit, all tensors are named that do not", "[bad-input]") {
  const auto pair = [](const std::string& name, std::uint64_t in, std::uint64_t out) {
    return std::vector<std::pair<std::string, std::vector<std::uint64_t>>>{{name + ".lora_a", {in, 4}},
                                                                           {name + ".lora_b", {4, out}}};
  };
  const auto refused = [](const auto& tensors, const std::string& what) {
    check_refused(of_tensors(tensors), Code::bad_file, what);
  };
  CHECK_NOTHROW(Runtime().open(tiny_path(), Adapters({of_tensors(pair("blk.0.attn_q.weight", 64, 256))}).options));
  refused(pair("blk.9.attn_q.weight", 64, 256), "\"blk.9.attn_q.weight\" is not in the model");
  refused(pair("blk.0.attn_norm.weight", 64, 1), "\"blk.0.attn_norm.weight\" is no matrix of the model's products");
  refused(pair("blk.0.attn_q.weight", 32, 256),
          "\"blk.0.attn_q.weight\" is 4 x 32 and 256 x 4, not rank x 64 and 256 x rank");
  refused(pair("token_embd.weight", 64, 272), "not 272 x rank and 64 x rank");  // not the other way round
  auto ranks = pair("blk.0.attn_q.weight", 64, 256);
  ranks[0].second[1] = 5;
  refused(ranks, "is 5 x 64 and 256 x 4");
  auto half = pair("blk.0.attn_q.weight", 64, 256);
  half.pop_back();
  refused(half, "\"blk.0.attn_q.weight\" has no lora_b");
  auto all = pair("blk.9.a", 1, 1);
  for (const char* name : {"blk.0.attn_norm.weight", "x", ".lora_a"}) all.push_back({name, {64}});
  refused(all,
          "\"blk.0.attn_norm.weight\" is neither lora_a nor lora_b, \"x\" is neither lora_a nor lora_b, \"\" has no "
          "lora_b, \"blk.9.a\" is not in the model");
  std::vector<std::pair<std::string, std::vector<std::uint64_t>>> many;
  for (int i = 0; i < 20; ++i) many.push_back({"t" + std::to_string(i), {1}});
  refused(many, "and 12 more");
  refused(decltype(many){}, "has no tensors");
  auto none = pair("blk.0.attn_q.weight", 64, 256);
  none[0].second[1] = none[1].second[0] = 0;
  refused(none, "found 0, expected at least 1");
}

TEST_CASE("fault 19: what is no adapter, or one for another model, says so", "[bad-input]") {
  const auto of = [](const char* key, const char* value) {
    return with_keys([=](GgufWriter& writer) { writer.string(key, value); });
  };
  check_refused(TinyModel{}.file(), Code::unsupported, "is no adapter: \"general.type\" is \"\"; expected \"adapter\"");
  check_refused(adapter_of({.architecture = "gemma3"}), Code::unsupported, "for a \"gemma3\" model");
  check_refused(GgufWriter().string("general.architecture", "controlvector").file(), Code::unsupported,
                "is a control vector");
  check_refused(GgufWriter().string("general.type", "adapter").string("adapter.type", "ia3").file(), Code::unsupported,
                "is an adapter of type \"ia3\"; known is \"lora\"");
  check_refused("just text", Code::bad_file, "is no model file");
  check_refused(adapter_of({}).substr(0, 20000), Code::bad_file, "cut short");
  check_refused(of("adapter.lora.alpha", "16"), Code::bad_file,
                "\"adapter.lora.alpha\" is a string; expected a number");
  check_refused(of("adapter.lora.made_up", "x"), Code::unsupported, "\"adapter.lora.made_up\" is \"x\"");
  CHECK_NOTHROW(Runtime().open(tiny_path(), Adapters({of("adapter.lora.task_name", "rhymes")}).options));
  check_refused(adapter_of({.rank = 32, .format = kernels::Format::q8_0}), Code::bad_file,
                "Q8_0, not F32, F16 or BF16");

  const std::string invoked = with_keys([](GgufWriter& writer) {
    writer.numbers("adapter.alora.invocation_tokens", ElementType::u32, std::vector<std::uint32_t>{1, 2});
  });
  check_refused(invoked, Code::unsupported, "\"adapter.alora.invocation_tokens\" is [1, 2]");
  Adapters ignoring({invoked});
  ignoring.options.ignore_keys = {"adapter.alora.invocation_tokens"};
  CHECK_NOTHROW(Runtime().open(tiny_path(), ignoring.options));

  CHECK(refusal(adapter_of({}), std::numeric_limits<float>::infinity()).code() == Code::invalid_argument);
  const Error missing =
      error_of([] { (void)Runtime().open(tiny_path(), {.adapters = {{.path = "/no/such/adapter"}}}); });
  CHECK(missing.code() == Code::not_found);
  CHECK_THAT(missing.message(), Contains("/no/such/adapter"));
}

}  // namespace troupe::testing
