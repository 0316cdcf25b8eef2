#pragma once

#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "kernels/format.hpp"
#include "tests/host/stored.hpp"
#include "tests/host/tiny_parts.hpp"
#include "tests/runtime/tokenizer_fixture.hpp"

namespace troupe::testing {

/// A llama, or another architecture, with random weights, small enough that a test makes it: every byte is a token,
/// every plan of eight ranks fits. Its matrices are Q8_0.
struct TinyModel {
  std::uint32_t layers = 4, context = 256;
  /// Changes a tensor, [rows][columns], before it is written.
  std::function<void(const std::string& name, std::vector<float>& values)> edit = [](const std::string&,
                                                                                     std::vector<float>&) {};

  /// How a matrix is stored: see stored().
  std::function<kernels::Format(const std::string& name)> format = [](const std::string&) {
    return kernels::Format::q8_0;
  };
  void store_all_as(kernels::Format all) {
    format = [all](const std::string&) { return all; };
  }

  std::string architecture = "llama";
  /// Writes the tokenizer's keys.
  std::function<GgufWriter()> tokenizer = [] { return tiny_bpe().bpe(); };
  std::string left_out{};  ///< a key of the architecture's that is not written
  /// Adds keys of the test's own.
  std::function<void(GgufWriter& writer)> keys = [](GgufWriter&) {};

  /// One layer's numbers, where layers are unlike.
  struct Layer {
    std::uint32_t heads, kv_heads, ffn;
  };
  std::vector<Layer> unlike{};  ///< [layers], or empty

  static constexpr std::uint32_t hidden = 64, heads = 8, kv_heads = 2, head_dim = 32, ffn = 256, vocabulary = 272;
  static constexpr std::uint32_t shared_more = 32;  ///< columns of the expert that every row goes to
  static constexpr std::uint32_t tokens = 267;      ///< of tiny_bpe; the other rows have none

  /// Where it is not of these sizes.
  struct Sizes {
    std::uint32_t hidden = TinyModel::hidden, heads = TinyModel::heads, kv_heads = TinyModel::kv_heads;
    std::uint32_t head_dim = TinyModel::head_dim, ffn = TinyModel::ffn, vocabulary = TinyModel::vocabulary;
  } sizes{};

  /// The bytes of its file.
  [[nodiscard]] std::string file() const { return parts(1)[0]; }

  /// The same in so many parts, whose tensors take turns.
  [[nodiscard]] std::vector<std::string> parts(std::uint16_t count) const {
    std::vector<GgufWriter> writers(count);
    writers[0] = header();
    std::int32_t all = 0;
    add_tensors([&](const std::string&, std::uint64_t, std::uint64_t, std::uint64_t = 1) { ++all; });
    for (std::uint16_t part = 0; part < count && count > 1; ++part) {
      writers[part].number("split.no", ElementType::u16, part).number("split.count", ElementType::u16, count);
      writers[part].number("split.tensors.count", ElementType::i32, all);
    }
    std::vector<std::string> data(count), files;
    std::mt19937 random(7);
    std::uint32_t next = 0;
    add_tensors([&](const std::string& name, std::uint64_t rows, std::uint64_t columns, std::uint64_t planes = 1) {
      const std::uint32_t part = next++ % count;
      std::vector<std::uint64_t> dimensions{columns};
      if (rows > 1) dimensions.push_back(rows);
      if (planes > 1) dimensions.push_back(planes);
      writers[part].tensor(name, dimensions, kernels::info(format_of(name, rows)).gguf_type, data[part].size());
      append(data[part], name, planes * rows, columns, random);
    });
    for (std::uint16_t part = 0; part < count; ++part) files.push_back(with_data(writers[part], data[part]));
    return files;
  }

 private:
  [[nodiscard]] GgufWriter header() const {
    GgufWriter writer = tokenizer();
    const auto number = [&](const char* key, std::uint32_t value) {
      if (key == left_out) return;
      writer.number(architecture + "." + key, ElementType::u32, value);
    };
    writer.string("general.architecture", architecture)
        .number("tokenizer.ggml.eos_token_id", ElementType::u32, end_of_text);
    number("block_count", layers);
    number("embedding_length", sizes.hidden);
    const auto of_layers = [&](const char* key, std::uint32_t Layer::*field, std::uint32_t alike) {
      std::vector<std::uint32_t> numbers;
      for (const Layer& layer : unlike) numbers.push_back(layer.*field);
      if (numbers.empty()) return number(key, alike);
      writer.numbers(architecture + "." + key, ElementType::u32, numbers);
    };
    of_layers("feed_forward_length", &Layer::ffn, sizes.ffn);
    of_layers("attention.head_count", &Layer::heads, sizes.heads);
    of_layers("attention.head_count_kv", &Layer::kv_heads, sizes.kv_heads);
    number("attention.key_length", sizes.head_dim);
    number("attention.value_length", sizes.head_dim);
    const std::uint32_t rotated = tiny_parts(architecture).rotated;
    number("rope.dimension_count", rotated == 0 ? sizes.head_dim : rotated);
    number("context_length", context);
    if (const std::uint32_t experts = tiny_parts(architecture).experts; experts > 0) {
      number("expert_count", experts);
      number("expert_used_count", 2);
      if (tiny_parts(architecture).shared_expert) number("expert_shared_feed_forward_length", sizes.ffn + shared_more);
    }
    write_needed_keys(writer, architecture);
    keys(writer);
    return writer;
  }

  static constexpr std::uint32_t end_of_text = 265;

  [[nodiscard]] kernels::Format format_of(const std::string& name, std::uint64_t rows) const {
    const bool plain = rows == 1 || name.ends_with("_norm.weight") || name.ends_with("ffn_gate_inp.weight");
    return plain ? kernels::Format::f32 : format(name);
  }

  template <class Add>
  void add_tensors(const Add& add) const {
    add("token_embd.weight", sizes.vocabulary, sizes.hidden);
    for (std::uint32_t layer = 0; layer < layers; ++layer) add_layer(add, "blk." + std::to_string(layer) + ".", layer);
    add_norm(add, "output_norm");
    add("output.weight", sizes.vocabulary, sizes.hidden);
  }

  template <class Add>
  void add_layer(const Add& add, const std::string& blk, std::uint32_t layer) const {
    const TinyParts parts = tiny_parts(architecture);
    const auto [heads_of_layer, kv_heads_of_layer, width] =
        unlike.empty() ? Layer{sizes.heads, sizes.kv_heads, sizes.ffn} : unlike[layer];
    const std::uint32_t queries = heads_of_layer * sizes.head_dim, keys_of_layer = kv_heads_of_layer * sizes.head_dim;
    const auto product = [&](const char* name, std::uint64_t rows, std::uint64_t columns, bool bias) {
      add(blk + name + ".weight", rows, columns);
      if (bias || parts.biases) add(blk + name + ".bias", 1, rows);
    };
    if (parts.norms_before) add_norm(add, blk + "attn_norm");
    if (parts.fused_projections) {
      product("attn_qkv", queries + 2 * keys_of_layer, sizes.hidden, parts.projection_biases);
    } else {
      product("attn_q", queries, sizes.hidden, parts.projection_biases);
      product("attn_k", keys_of_layer, sizes.hidden, parts.projection_biases);
      product("attn_v", keys_of_layer, sizes.hidden, parts.projection_biases);
    }
    product("attn_output", sizes.hidden, queries, false);
    if (parts.head_norms || parts.whole_norms) {
      add(blk + "attn_q_norm.weight", 1, parts.head_norms ? sizes.head_dim : queries);
      add(blk + "attn_k_norm.weight", 1, parts.head_norms ? sizes.head_dim : keys_of_layer);
    }
    if (parts.each_heads_norms) {
      add(blk + "attn_q_norm.weight", heads_of_layer, sizes.head_dim);
      add(blk + "attn_k_norm.weight", kv_heads_of_layer, sizes.head_dim);
    }
    if (parts.norms_behind) add_norm(add, blk + "post_attention_norm");
    if (parts.norms_behind) add_norm(add, blk + "post_ffw_norm");
    if (parts.norms_before && !parts.one_norm) add_norm(add, blk + "ffn_norm");
    if (parts.experts > 0) return add_experts(add, blk, parts.experts, width);
    if (parts.gate) product("ffn_gate", width, sizes.hidden, false);
    product("ffn_up", parts.ups * width, sizes.hidden, false);
    product("ffn_down", sizes.hidden, width, false);
  }

  template <class Add>
  void add_experts(const Add& add, const std::string& blk, std::uint32_t experts, std::uint32_t width) const {
    add(blk + "ffn_gate_inp.weight", experts, sizes.hidden);
    for (const char* name : {"ffn_gate_exps", "ffn_up_exps"}) {
      add(blk + name + ".weight", width, sizes.hidden, experts);
    }
    add(blk + "ffn_down_exps.weight", sizes.hidden, width, experts);
    if (!tiny_parts(architecture).shared_expert) return;
    const std::uint32_t shared = width + shared_more;
    add(blk + "ffn_gate_inp_shexp.weight", 1, sizes.hidden);
    for (const char* name : {"ffn_gate_shexp", "ffn_up_shexp"}) add(blk + name + ".weight", shared, sizes.hidden);
    add(blk + "ffn_down_shexp.weight", sizes.hidden, shared);
  }

  template <class Add>
  void add_norm(const Add& add, const std::string& name) const {
    add(name + ".weight", 1, sizes.hidden);
    if (tiny_parts(architecture).norm_biases) add(name + ".bias", 1, sizes.hidden);
  }

  void append(std::string& data, const std::string& name, std::uint64_t rows, std::uint64_t columns,
              std::mt19937& random) const {
    std::vector<float> values(rows * columns, 1.0F);
    std::normal_distribution<float> normal(0.0F, 1.0F / std::sqrt(static_cast<float>(columns)));
    if (rows > 1) {
      for (float& value : values) value = normal(random);
    } else if (name.ends_with(".bias") || tiny_parts(architecture).whole_norms) {  // so that a wrong cut shows
      for (float& value : values) value += 4.0F * normal(random);
    }
    edit(name, values);
    const std::vector<std::byte> bytes = stored(format_of(name, rows), values);
    data.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    constexpr std::size_t alignment = 32;
    data.resize((data.size() + alignment - 1) / alignment * alignment);
  }
};

}  // namespace troupe::testing
