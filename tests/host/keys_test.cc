#include <map>
#include <set>

#include "tests/host/house.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

using Keys = std::function<void(GgufWriter& writer)>;

std::string with(const std::string& architecture, const Keys& keys) {
  TinyModel tiny{.layers = 1};
  tiny.architecture = architecture;
  tiny.keys = keys;
  return tiny.file();
}

void number(GgufWriter& writer, const std::string& key, float value) { writer.number(key, ElementType::f32, value); }

/// A key of a file that is refused by its name and value, and that opens where the key is ignored.
struct Refused {
  std::string architecture, key, value;
  Keys write;
};

void check(const Refused& c) {
  INFO(c.key << " " << c.value);
  const MemoryFile file(with(c.architecture, c.write));
  const Runtime runtime;
  const Error error = error_of([&] { (void)runtime.open(file.path()); });
  CHECK(error.code() == Code::unsupported);
  CHECK_THAT(error.message(), Contains(c.key) && Contains(c.value) && Contains("--ignore-key " + c.key) &&
                                  Contains("LoadOptions::ignore_keys"));
  CHECK_NOTHROW(runtime.open(file.path(), {.ignore_keys = {"no.such.key", c.key}}));
  CHECK_NOTHROW(runtime.load(file.path(), {.threads = 1, .ignore_keys = {c.key}}));
  CHECK_THROWS_AS((void)runtime.load(file.path(), {.threads = 1}), Error);
}

Refused number(const std::string& architecture, const std::string& key, float value, const std::string& text) {
  const std::string whole = architecture + "." + key;
  return {architecture, whole, text, [=](GgufWriter& writer) { number(writer, whole, value); }};
}

Refused text(const std::string& architecture, const std::string& key, const std::string& value) {
  const std::string whole = architecture + "." + key;
  return {architecture, whole, value, [=](GgufWriter& writer) { writer.string(whole, value); }};
}

Refused truth(const std::string& architecture, const std::string& key, bool value) {
  const std::string whole = architecture + "." + key;
  return {architecture, whole, value ? "true" : "false", [=](GgufWriter& writer) { writer.boolean(whole, value); }};
}

Refused list(const std::string& architecture, const std::string& key, const std::vector<std::uint32_t>& values,
             const std::string& shown) {
  const std::string whole = architecture + "." + key;
  return {architecture, whole, shown, [=](GgufWriter& writer) { writer.numbers(whole, ElementType::u32, values); }};
}

/// A hash of the logits after every position of a text that is longer than the windows here.
std::size_t logits(const std::string& bytes, const LoadOptions& options = {.threads = 1}) {
  const MemoryFile file(bytes);
  const Runtime runtime;
  std::string all;
  Ids ids;
  for (TokenId id = 0; id < 40; ++id) ids.push_back(id * 6);
  runtime.load(file.path(), options).logits(ids, true, [&](std::uint32_t, std::span<const float> row) {
    all.append(reinterpret_cast<const char*>(row.data()), row.size_bytes());
  });
  REQUIRE(all.size() == ids.size() * TinyModel::vocabulary * sizeof(float));
  return std::hash<std::string>()(all);
}

/// A gemma3 of 7 layers, the sixth of which is global.
std::size_t gemma(const Keys& keys, const LoadOptions& options = {.threads = 1}) {
  TinyModel tiny{.layers = 7};
  tiny.architecture = "gemma3";
  tiny.keys = keys;
  return logits(tiny.file(), options);
}

Keys window(
    std::uint32_t positions, const Keys& more = [](GgufWriter&) {}) {
  return [=](GgufWriter& writer) {
    writer.number("gemma3.attention.sliding_window", ElementType::u32, positions);
    more(writer);
  };
}

Keys pattern(std::uint32_t period) {
  return window(8,
                [=](GgufWriter& w) { w.number("gemma3.attention.sliding_window_pattern", ElementType::u32, period); });
}

Keys local_theta(float theta) {
  return [=](GgufWriter& writer) { number(writer, "gemma3.rope.freq_base_swa", theta); };
}

}  // namespace

TEST_CASE("fault 8: a key that would change what is computed is refused by name and value", "[bad-input]") {
  for (const char* a : {"llama", "gemma3"}) {
    check(number(a, "rope.scaling.alpha", 1000, "1000"));
    check(number(a, "rope.scaling.yarn_ext_factor", 1, "1"));  // without YaRN
    check(number(a, "rope.scaling.yarn_attn_factor", 1.2F, "1.2"));
    check(number(a, "attn_logit_softcapping", 50, "50"));
    check(number(a, "attention.clamp_kqv", 8, "8"));
    check(number(a, "attention.max_alibi_bias", 8, "8"));
    check(number(a, "attention.scale", 0.1F, "0.1"));
    check(number(a, "attention.layer_norm_epsilon", 1e-5F, "1e-05"));
    check(number(a, "logit_scale", 0.0625F, "0.0625"));
    check(number(a, "residual_scale", 0.22F, "0.22"));
    check(number(a, "embedding_scale", 12, "12"));
    check(number(a, "expert_shared_count", 2, "2"));
    check(number(a, "expert_group_count", 2, "2"));
    check(number(a, "nextn_predict_layers", 1, "1"));
    check(number(a, "decoder_start_token_id", 1, "1"));
    check(truth(a, "attention.causal", false));
    check(truth(a, "use_parallel_residual", true));
    check(text(a, "tensor_data_layout", "something else"));
    check(text(a, "hidden_activation", "relu"));
    check(text(a, "rope.scaling.type", "dynamic"));
    check(text(a, "Rope.Scale_Linear", "4"));  // odd spellings count
    check(list(a, "rope.dimension_sections", {8, 12, 12, 0}, "[8, 12, 12, 0]"));
    check(list(a, "rope.scale_linears", std::vector<std::uint32_t>(100, 2), "[2, 2, 2, 2, 2, 2, 2, 2, ...] of 100"));
  }
  check(number("llama", "final_logit_softcapping", 30, "30"));
  check(number("llama", "attention.sliding_window", 64, "64"));
  check(number("llama", "rope.freq_base_swa", 100, "100"));
}

TEST_CASE("fault 8: what changes nothing is no hindrance", "[bad-input]") {
  for (const std::string a : {"llama", "gemma3"}) {
    INFO(a);
    const std::size_t plain = logits(with(a, [](GgufWriter&) {}));
    const auto same = [&](const Keys& keys) { return logits(with(a, keys)) == plain; };
    CHECK(same([&](GgufWriter& writer) {
      for (const char* zero : {"attn_logit_softcapping", "final_logit_softcapping", "attention.clamp_kqv",
                               "attention.max_alibi_bias", "expert_count", "expert_used_count"}) {
        number(writer, a + "." + zero, 0.0F);
      }
      for (const char* one : {"rope.scale_linear", "rope.scaling.factor", "rope.scaling.attn_factor", "logit_scale"}) {
        number(writer, a + "." + one, 1.0F);
      }
      writer.boolean(a + ".attention.causal", true).boolean(a + ".use_parallel_residual", false);
      writer.number(a + ".vocab_size", ElementType::u32, 272U).string(a + ".rope.scaling.type", "none");
      writer.number(a + ".rope.scaling.original_context_length", ElementType::u32, 128U);
      writer.boolean(a + ".rope.scaling.finetuned", false);
      writer.numbers(a + ".rope.dimension_sections", ElementType::i32, std::vector{0, 0, 0, 0});
      writer.number("general.file_type", ElementType::u32, 0U).string("general.made_up", "a name");
    }));
    CHECK(same([&](GgufWriter& writer) {  // linear by a factor of one
      writer.string(a + ".rope.scaling.type", "linear");
      number(writer, a + ".rope.scaling.factor", 1.0F);
    }));
  }
}

TEST_CASE("fault 8: an ignored key is as if it were absent from the file everywhere", "[bad-input]") {
  const std::size_t plain = logits(with("llama", [](GgufWriter&) {}));
  const std::string file = with("llama", [](GgufWriter& w) { number(w, "llama.rope.freq_base", 500.0F); });
  CHECK(logits(file) != plain);
  CHECK(logits(file, {.threads = 1, .ignore_keys = {"llama.rope.freq_base"}}) == plain);
  const Runtime runtime;
  CHECK_THAT(error_of([&] { (void)runtime.open(tiny_path(), {.ignore_keys = {"general.architecture"}}); }).message(),
             Contains("general.architecture") && Contains("missing"));
  CHECK_NOTHROW(runtime.open(tiny_path(), {.ignore_keys = {"", "llama", "llama.", "tokenizer.none"}}));
}

TEST_CASE("fault 8: keys of the tokenizer that would change a text's ids are refused", "[bad-input]") {
  const auto tokenizer = [](const std::string& key, const std::string& value, const Keys& write) {
    check({"llama", "tokenizer.ggml." + key, value, write});
  };
  for (const char* key : {"add_eos_token", "add_sep_token", "remove_extra_whitespaces", "add_space_prefix",
                          "escape_whitespaces", "normalizer.lowercase", "made_up"}) {
    const std::string whole = std::string("tokenizer.ggml.") + key;
    tokenizer(key, "true", [=](GgufWriter& writer) { writer.boolean(whole, true); });
  }
  tokenizer("precompiled_charsmap", "[1, 2]", [](GgufWriter& writer) {
    writer.numbers("tokenizer.ggml.precompiled_charsmap", ElementType::u8, std::vector<std::uint8_t>{1, 2});
  });
  tokenizer("suppress_tokens", "[3]", [](GgufWriter& writer) {
    writer.numbers("tokenizer.ggml.suppress_tokens", ElementType::i32, std::vector{3});
  });
  const MemoryFile harmless(with("llama", [](GgufWriter& writer) {
    writer.string("tokenizer.chat_template", "{{ bos_token }}").string("tokenizer.chat_template.tool_use", "{{ }}");
    writer.strings("tokenizer.chat_templates", {"tool_use"}).string("tokenizer.huggingface.json", "{}");
    writer.number("tokenizer.ggml.padding_token_id", ElementType::u32, 0U);
    writer.number("tokenizer.ggml.fim_pre_token_id", ElementType::u32, 1U);
    writer.boolean("tokenizer.ggml.add_eos_token", false).boolean("tokenizer.ggml.add_space_prefix", false);
  }));
  CHECK_NOTHROW(Runtime().open(harmless.path()));
}

TEST_CASE("fault 8: numbers for every layer are one number where all are equal, and have tensors to match elsewhere",
          "[bad-input]") {
  const auto layered = [](const std::string& key, const std::vector<std::uint32_t>& values) {
    TinyModel tiny{.layers = static_cast<std::uint32_t>(values.size())};
    tiny.left_out = key;
    tiny.keys = [=](GgufWriter& w) { w.numbers("llama." + key, ElementType::u32, values); };
    return tiny.file();
  };
  const std::size_t plain = logits(TinyModel{.layers = 2}.file());
  for (const auto& [key, value] : std::map<std::string, std::uint32_t>{
           {"attention.head_count", 8}, {"attention.head_count_kv", 2}, {"feed_forward_length", 256}}) {
    INFO(key);
    CHECK(logits(layered(key, {value, value})) == plain);
    const MemoryFile unequal(layered(key, {value, value / 2}));
    const Error error = error_of([&] { (void)Runtime().open(unequal.path()); });
    CHECK(error.code() == Code::bad_file);
    CHECK_THAT(error.message(), Contains("tensor blk.1."));
  }
  const auto of_two = [](const Keys& keys) {
    TinyModel tiny{.layers = 2};
    tiny.left_out = "feed_forward_length";
    tiny.keys = keys;
    const MemoryFile file(tiny.file());
    const Error error = error_of([&] { (void)Runtime().open(file.path()); });
    CHECK_THAT(error.message(), Contains("llama.feed_forward_length"));
    return error.code();
  };
  const auto list = [](const std::vector<std::int32_t>& values) {
    return [=](GgufWriter& w) { w.numbers("llama.feed_forward_length", ElementType::i32, values); };
  };
  CHECK(of_two(list({})) == Code::bad_file);
  CHECK(of_two(list({256})) == Code::bad_file);
  CHECK(of_two(list({-256, -256})) == Code::bad_file);
}

TEST_CASE("fault 8: gemma3's window, its pattern and the rotary base of local layers are the file's", "[bad-input]") {
  const std::size_t usual = gemma(window(8));
  const std::size_t all_global = gemma([](GgufWriter&) {});
  CHECK(usual != all_global);
  CHECK(gemma(window(0)) == all_global);
  CHECK(gemma(local_theta(100)) == all_global);  // nobody is local
  CHECK(gemma(pattern(1)) == all_global);
  CHECK(gemma(pattern(6)) == usual);
  CHECK(gemma(pattern(2)) != usual);
  CHECK(gemma(pattern(0)) == gemma(pattern(100)));  // all are local
  CHECK(gemma(pattern(0)) != usual);
  CHECK(gemma(window(8, local_theta(10000))) == usual);
  CHECK(gemma(window(8, local_theta(100))) != usual);
  // Every layer global, and every layer local with the global base behind a window that hides nothing, are the same.
  CHECK(gemma(window(256, [](GgufWriter& w) { number(w, "gemma3.rope.freq_base_swa", 1e6F); })) == all_global);

  const auto listed = [](std::vector<std::uint8_t> local, ElementType type) {
    return window(8, [=](GgufWriter& w) { w.numbers("gemma3.attention.sliding_window_pattern", type, local); });
  };
  for (const ElementType type : {ElementType::boolean, ElementType::u8}) {
    CHECK(gemma(listed({1, 1, 1, 1, 1, 0, 1}, type)) == usual);
    CHECK(gemma(listed({0, 0, 0, 0, 0, 0, 0}, type)) == all_global);
    CHECK(gemma(listed({1, 0, 1, 0, 1, 0, 1}, type)) == gemma(pattern(2)));
  }
  const MemoryFile short_list(with("gemma3", listed({1, 1}, ElementType::boolean)));
  const Error error = error_of([&] { (void)Runtime().open(short_list.path()); });
  CHECK(error.code() == Code::bad_file);
  CHECK_THAT(error.message(), Contains("gemma3.attention.sliding_window_pattern"));
}

TEST_CASE("fault 8: a gemma3 of 62 layers scales attention by its width, not by the length of a key", "[bad-input]") {
  // A last layer that adds nothing, and so says nothing but that there are 62: the scale is 1/sqrt(64 / 8), twice
  // 1/sqrt(32), which 61 layers have whose queries are twice as long. Both factors are exact.
  const auto of = [](std::uint32_t layers, float query_scale) {
    TinyModel tiny{.layers = layers};
    tiny.architecture = "gemma3";
    tiny.edit = [=](const std::string& name, std::vector<float>& values) {
      if (name == "output.weight") {
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * 37 % 101) / 100.0F - 0.5F;
      }
      const bool adds = name == "blk.61.attn_output.weight" || name == "blk.61.ffn_down.weight";
      for (float& value : values) {
        if (adds) value = 0.0F;
        if (name.ends_with("attn_q_norm.weight")) value *= query_scale;
      }
    };
    return logits(tiny.file());
  };
  CHECK(of(62, 1.0F) == of(61, 2.0F));
  CHECK(of(62, 1.0F) != of(61, 1.0F));
}

TEST_CASE("fault 19: a scaling type that is refused is named", "[bad-input]") {
  for (const char* a : {"llama", "gemma3"}) {
    for (const char* type : {"dynamic", "Linear", "no\nne"}) {
      const MemoryFile file(with(a, [&](GgufWriter& w) { w.string(std::string(a) + ".rope.scaling.type", type); }));
      const Error error = error_of([&] { (void)Runtime().open(file.path()); });
      CHECK(error.code() == Code::unsupported);
      const std::string shown = std::string(type) == "no\nne" ? "no\\x0ane" : type;
      CHECK_THAT(error.message(), Contains("rope.scaling.type") && Contains("\"" + shown + "\"") && Contains("none"));
    }
  }
}

TEST_CASE("what a file says of how its positions are stretched is heard, and what cannot be is said", "[bad-input]") {
  const auto scaled = [](const std::string& type, const std::vector<std::pair<std::string, float>>& numbers) {
    return [=](GgufWriter& w) {
      if (!type.empty()) w.string("llama.rope.scaling.type", type);
      for (const auto& [key, value] : numbers) number(w, "llama.rope." + key, value);
    };
  };
  const auto of = [](const Keys& keys) { return logits(with("llama", keys)); };
  const std::size_t plain = of(scaled("", {}));
  CHECK(of(scaled("none", {{"scaling.factor", 4}})) == plain);
  const std::size_t linear = of(scaled("linear", {{"scaling.factor", 4}}));
  CHECK(linear != plain);
  CHECK(of(scaled("", {{"scaling.factor", 4}})) == linear);
  CHECK(of(scaled("", {{"scale_linear", 4}})) == linear);
  CHECK(of(scaled("", {{"scale_linear", 2}, {"scaling.factor", 4}})) == linear);
  CHECK(of(scaled("", {{"scaling.attn_factor", 1.2F}})) != plain);
  std::set<std::size_t> yarns{plain, linear};
  CHECK(yarns.insert(of(scaled("yarn", {{"scaling.factor", 4}}))).second);
  for (const auto& [key, value] : std::map<std::string, float>{{"yarn_ext_factor", 0.5F},
                                                               {"yarn_attn_factor", 1.5F},
                                                               {"yarn_beta_fast", 8.0F},
                                                               {"yarn_beta_slow", 0.1F},
                                                               {"yarn_log_multiplier", 0.5F}}) {
    INFO(key);
    CHECK(yarns.insert(of(scaled("yarn", {{"scaling.factor", 4}, {"scaling." + key, value}}))).second);
  }
  const auto refusal = [&](const Keys& keys) {
    const MemoryFile file(with("llama", keys));
    return error_of([&] { (void)Runtime().open(file.path()); }).message();
  };
  CHECK_THAT(refusal(scaled("", {{"scaling.factor", -4}})), Contains("rope.scaling.factor is -4; it must be positive"));
  CHECK_THAT(refusal(scaled("", {{"scaling.factor", 1e9F}})), Contains("divide a frequency by 1e+09"));
  CHECK_THAT(refusal(scaled("yarn", {{"scaling.yarn_beta_fast", std::nanf("")}})), Contains("yarn_beta_fast is nan"));
  CHECK_THAT(refusal(scaled("longrope", {})), Contains("rope_factors_short.weight is missing"));
  CHECK_THAT(refusal([](GgufWriter& w) { w.number("llama.expert_count", ElementType::u32, 8U); }),
             Contains("llama.expert_used_count"));
}

}  // namespace troupe::testing
