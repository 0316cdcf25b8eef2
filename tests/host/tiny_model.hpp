#pragma once

#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tests/host/tiny_parts.hpp"
#include "tests/runtime/tokenizer_fixture.hpp"

namespace troupe::testing {

/// A llama, or another architecture, with random weights, small enough that a test makes it: every byte is a token,
/// every plan of eight ranks fits.
struct TinyModel {
  std::uint32_t layers = 4, context = 256;
  /// Changes a tensor, [rows][columns], before it is written.
  std::function<void(const std::string& name, std::vector<float>& values)> edit = [](const std::string&,
                                                                                     std::vector<float>&) {};

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
  static constexpr std::uint32_t tokens = 267;  ///< of tiny_bpe; the other rows have none

  /// The bytes of its file.
  [[nodiscard]] std::string file() const {
    GgufWriter writer = tokenizer();
    const auto number = [&](const char* key, std::uint32_t value) {
      if (key == left_out) return;
      writer.number(architecture + "." + key, ElementType::u32, value);
    };
    writer.string("general.architecture", architecture)
        .number("tokenizer.ggml.eos_token_id", ElementType::u32, end_of_text);
    number("block_count", layers);
    number("embedding_length", hidden);
    const auto of_layers = [&](const char* key, std::uint32_t Layer::*field, std::uint32_t alike) {
      std::vector<std::uint32_t> numbers;
      for (const Layer& layer : unlike) numbers.push_back(layer.*field);
      if (numbers.empty()) return number(key, alike);
      writer.numbers(architecture + "." + key, ElementType::u32, numbers);
    };
    of_layers("feed_forward_length", &Layer::ffn, ffn);
    of_layers("attention.head_count", &Layer::heads, heads);
    of_layers("attention.head_count_kv", &Layer::kv_heads, kv_heads);
    number("attention.key_length", head_dim);
    number("attention.value_length", head_dim);
    number("rope.dimension_count", tiny_parts(architecture).rotated);
    number("context_length", context);
    write_needed_keys(writer, architecture);
    keys(writer);
    std::string data;
    std::mt19937 random(7);
    add_tensors([&](const std::string& name, std::uint64_t rows, std::uint64_t columns) {
      writer.tensor(name, rows == 1 ? std::vector{columns} : std::vector{columns, rows}, type_f32, data.size());
      append(data, name, rows, columns, random);
    });
    std::string bytes = writer.file(data.size());
    data.copy(bytes.data() + bytes.size() - data.size(), data.size());
    return bytes;
  }

 private:
  static constexpr std::uint32_t type_f32 = 0, end_of_text = 265;

  template <class Add>
  void add_tensors(const Add& add) const {
    add("token_embd.weight", vocabulary, hidden);
    for (std::uint32_t layer = 0; layer < layers; ++layer) add_layer(add, "blk." + std::to_string(layer) + ".", layer);
    add_norm(add, "output_norm");
    add("output.weight", vocabulary, hidden);
  }

  template <class Add>
  void add_layer(const Add& add, const std::string& blk, std::uint32_t layer) const {
    const TinyParts parts = tiny_parts(architecture);
    const auto [heads_of_layer, kv_heads_of_layer, width] =
        unlike.empty() ? Layer{TinyModel::heads, TinyModel::kv_heads, TinyModel::ffn} : unlike[layer];
    const std::uint32_t queries = heads_of_layer * head_dim, keys_of_layer = kv_heads_of_layer * head_dim;
    const auto product = [&](const char* name, std::uint64_t rows, std::uint64_t columns, bool bias) {
      add(blk + name + ".weight", rows, columns);
      if (bias || parts.biases) add(blk + name + ".bias", 1, rows);
    };
    if (parts.norms_before) add_norm(add, blk + "attn_norm");
    if (parts.fused_projections) {
      product("attn_qkv", queries + 2 * keys_of_layer, hidden, parts.projection_biases);
    } else {
      product("attn_q", queries, hidden, parts.projection_biases);
      product("attn_k", keys_of_layer, hidden, parts.projection_biases);
      product("attn_v", keys_of_layer, hidden, parts.projection_biases);
    }
    product("attn_output", hidden, queries, false);
    if (parts.head_norms || parts.whole_norms) {
      add(blk + "attn_q_norm.weight", 1, parts.head_norms ? head_dim : queries);
      add(blk + "attn_k_norm.weight", 1, parts.head_norms ? head_dim : keys_of_layer);
    }
    if (parts.norms_behind) add_norm(add, blk + "post_attention_norm");
    if (parts.norms_behind) add_norm(add, blk + "post_ffw_norm");
    if (parts.norms_before && !parts.one_norm) add_norm(add, blk + "ffn_norm");
    if (parts.gate) product("ffn_gate", width, hidden, false);
    product("ffn_up", parts.ups * width, hidden, false);
    product("ffn_down", hidden, width, false);
  }

  template <class Add>
  void add_norm(const Add& add, const std::string& name) const {
    add(name + ".weight", 1, hidden);
    if (tiny_parts(architecture).norm_biases) add(name + ".bias", 1, hidden);
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
    data.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  }
};

}  // namespace troupe::testing
