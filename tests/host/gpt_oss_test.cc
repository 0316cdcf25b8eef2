#include <limits>

#include "tests/host/house.hpp"
#include "tests/host/staged_graph.hpp"

// Sinks, and biases of experts: what of a file is refused, and that each counts where it should.

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

const Ids prompt{104, 101, 108, 108, 111};

TinyModel gpt_oss() { return {.architecture = "gpt-oss"}; }

std::string refusal(const TinyModel& model) {
  const MemoryFile file(model.file());
  const Error error = error_of([&] { (void)Runtime().open(file.path()); });
  CHECK(error.code() == Code::bad_file);
  CHECK(error.message().find('\n') == std::string::npos);
  return error.message();
}

/// With what `change` does to the values of one tensor.
template <class Change>
auto logits_with(const std::string& tensor, const Change& change) {
  TinyModel model = gpt_oss();
  model.edit = [&](const std::string& name, std::vector<float>& values) {
    if (name == tensor) change(values);
  };
  const MemoryFile file(model.file());
  return logits_of(Runtime().load(file.path(), {.threads = 1}), prompt);
}

}  // namespace

TEST_CASE("gpt-oss: a file that lacks a bias or the sinks of a layer is refused by name", "[bad-input]") {
  for (const char* tensor :
       {"blk.2.attn_sinks.weight", "blk.0.attn_q.bias", "blk.0.attn_k.bias", "blk.1.attn_v.bias",
        "blk.3.attn_output.bias", "blk.0.ffn_gate_inp.bias", "blk.0.ffn_gate_exps.bias", "blk.2.ffn_up_exps.bias",
        "blk.3.ffn_down_exps.bias", "blk.1.post_attention_norm.weight"}) {
    TinyModel model = gpt_oss();
    model.reshape = [&](const std::string& name, std::uint64_t&, std::uint64_t&) { return name != tensor; };
    CHECK_THAT(refusal(model), Contains("tensor " + std::string(tensor) + " is missing"));
  }
  for (const char* key : {"expert_count", "expert_used_count"}) {
    TinyModel model = gpt_oss();
    model.left_out = key;
    CHECK_THAT(refusal(model), Contains("gpt-oss." + std::string(key)));
  }
}

TEST_CASE("gpt-oss: sinks and biases of wrong sizes are refused by name", "[bad-input]") {
  struct Wrong {
    const char *tensor, *is, *wanted;
  };
  for (const Wrong& wrong :
       {Wrong{"blk.1.attn_sinks.weight", "is 1 x 9 ", "1 x 8"}, Wrong{"blk.1.ffn_gate_inp.bias", "is 1 x 7 ", "1 x 6"},
        Wrong{"blk.1.ffn_gate_exps.bias", "is 6 x 257 ", "6 x 256"},
        Wrong{"blk.1.ffn_down_exps.bias", "is 6 x 65 ", "6 x 64"}}) {
    TinyModel model = gpt_oss();
    model.reshape = [&](const std::string& name, std::uint64_t&, std::uint64_t& columns) {
      if (name == wrong.tensor) ++columns;
      return true;
    };
    CHECK_THAT(refusal(model), Contains(wrong.tensor) && Contains(wrong.is) && Contains(wrong.wanted));
  }
  TinyModel model = gpt_oss();
  model.reshape = [&](const std::string& name, std::uint64_t& rows, std::uint64_t&) {
    if (name == "blk.1.ffn_up_exps.bias") rows = 5;
    return true;
  };
  CHECK_THAT(refusal(model), Contains("blk.1.ffn_up_exps.bias is 5 x 256") && Contains("6 x 256"));
}

TEST_CASE("gpt-oss: a sink that is no number is refused, and says which", "[bad-input]") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const float odd : {std::numeric_limits<float>::quiet_NaN(), infinity, -infinity}) {
    TinyModel model = gpt_oss();
    model.edit = [=](const std::string& name, std::vector<float>& values) {
      if (name == "blk.2.attn_sinks.weight") values[5] = odd;
    };
    CHECK_THAT(refusal(model), Contains("blk.2.attn_sinks.weight is ") && Contains("for head 5"));
  }
}

TEST_CASE("gpt-oss: a bias of an expert that is out of range ends a request, and says where", "[bad-input]") {
  for (const char* tensor : {"blk.1.ffn_down_exps.bias", "blk.1.ffn_up_exps.bias"}) {
    TinyModel model = gpt_oss();
    model.edit = [=](const std::string& name, std::vector<float>& values) {
      const bool up = name.ends_with("ffn_up_exps.bias");
      if (name == tensor) std::fill(values.begin(), values.end(), up ? std::numeric_limits<float>::quiet_NaN() : 1e9F);
    };
    const MemoryFile file(model.file());
    for (const char* plan : {"", "tp2", "ep2", "ep3.tp2", "sp2.ep2", "cp3", "cp2.tp2"}) {
      INFO(tensor << " " << plan);
      const Model loaded = Runtime().load(file.path(), {.plan = plan, .threads = 1});
      const Outcome outcome = outcome_of(loaded.generate(prompt, tokens(5)));
      REQUIRE(outcome.code() == Code::out_of_range);
      CHECK_THAT(outcome.error->message(), Contains("layer 1: a sum is not a number"));
    }
  }
}

TEST_CASE("gpt-oss: every sink and bias counts") {
  const auto plain = logits_with("none", [](auto&) {});
  for (const char* tensor :
       {"blk.0.attn_sinks.weight", "blk.1.attn_sinks.weight", "blk.0.attn_output.bias", "blk.0.ffn_gate_inp.bias",
        "blk.0.ffn_gate_exps.bias", "blk.0.ffn_up_exps.bias", "blk.0.ffn_down_exps.bias"}) {
    INFO(tensor);
    CHECK(logits_with(tensor, [](std::vector<float>& values) {
            for (std::size_t i = 0; i < values.size(); ++i) values[i] += i % 2 == 0 ? 0.5F : -0.5F;
          }) != plain);
  }
}

TEST_CASE("gpt-oss: of the ranks that share out an expert's leaves one adds its bias") {
  const MemoryFile file(gpt_oss().file());
  const Checkpoint checkpoint = Runtime().open(file.path());
  const auto leaves_of = [&](const char* plan, const char* node) {
    const LoadOptions options{.plan = plan};
    const std::string program = checkpoint.program(checkpoint.expand(options), node, options);
    std::size_t found = 0;
    for (std::size_t at = 0; (at = program.find(" expert_bias_leaf(", at)) != std::string::npos; ++at) ++found;
    return found;
  };
  CHECK(leaves_of("tp2", "r0.s0.t0") == 4);
  CHECK(leaves_of("tp2", "r0.s0.t1") == 0);
}

TEST_CASE("gpt-oss: every second layer has the window, the first among them") {
  const auto logits = [](const std::function<void(GgufWriter&)>& keys, std::uint32_t layers) {
    TinyModel model{.layers = layers, .architecture = "gpt-oss"};
    model.keys = keys;
    const MemoryFile file(model.file());
    return logits_of(Runtime().load(file.path(), {.threads = 1}), Ids(100, 104));
  };
  const auto pattern = [](std::vector<std::uint8_t> local) {
    return [=](GgufWriter& w) { w.numbers("gpt-oss.attention.sliding_window_pattern", ElementType::boolean, local); };
  };
  const auto usual = logits([](GgufWriter&) {}, 4);
  CHECK(usual == logits(pattern({1, 0, 1, 0}), 4));
  CHECK(usual != logits(pattern({0, 1, 0, 1}), 4));
}

}  // namespace troupe::testing
