#pragma once

#include <map>
#include <string>

#include "tests/runtime/gguf_fixture.hpp"

namespace troupe::testing {

/// Of what the layers of an architecture are made, beside what all have.
struct TinyParts {
  bool norms_before = true, norms_behind = false;
  bool head_norms = false, whole_norms = false;    ///< of queries and keys
  bool each_heads_norms = false;                   ///< the same, and of each head another
  bool fused_projections = false, gate = true;     ///< where there is no gate, ...
  std::uint32_t ups = 1;                           ///< ... or "ffn_up" holds it too: 2
  bool one_norm = false;                           ///< for attention and FFN side by side
  bool projection_biases = false, biases = false;  ///< of q, k and v; of all products
  bool norm_biases = false;
  std::uint32_t experts = 0;  ///< of each layer, two of which a row goes to; 0: one FFN
  bool shared_expert = false;
  std::uint32_t rotated = 0;  ///< of a head; 0: all
};

/// A llama's, where the architecture is not in here.
inline TinyParts tiny_parts(const std::string& architecture) {
  static const std::map<std::string, TinyParts> parts = {
      {"qwen2", {.projection_biases = true}},
      {"qwen2moe", {.projection_biases = true, .experts = 6, .shared_expert = true}},
      {"qwen3", {.head_norms = true}},
      {"qwen3moe", {.head_norms = true, .experts = 6}},
      {"granitemoe", {.experts = 6}},
      {"olmoe", {.whole_norms = true, .experts = 6}},
      {"gemma2", {.norms_behind = true}},
      {"gemma3", {.norms_behind = true, .head_norms = true}},
      {"phi3", {.fused_projections = true, .gate = false, .ups = 2}},
      {"olmo2", {.norms_before = false, .norms_behind = true, .whole_norms = true}},
      {"exaone4", {.norms_before = false, .norms_behind = true, .head_norms = true}},
      {"stablelm", {.each_heads_norms = true, .projection_biases = true, .norm_biases = true, .rotated = 8}},
      {"starcoder2", {.gate = false, .biases = true, .norm_biases = true}},
      {"glm4", {.norms_behind = true, .gate = false, .ups = 2, .projection_biases = true, .rotated = 16}},
      {"cohere2", {.one_norm = true}},
  };
  const auto found = parts.find(architecture);
  return found == parts.end() ? TinyParts{} : found->second;
}

/// What a file of the architecture cannot do without.
inline void write_needed_keys(GgufWriter& writer, const std::string& architecture) {
  const bool root_mean_square = !tiny_parts(architecture).norm_biases && architecture != "cohere2";
  const std::string epsilon = root_mean_square ? ".attention.layer_norm_rms_epsilon" : ".attention.layer_norm_epsilon";
  writer.number(architecture + epsilon, ElementType::f32, 1e-5F);
  if (architecture.starts_with("granite") || architecture == "cohere2") {
    writer.number(architecture + ".logit_scale", ElementType::f32, 0.5F);
  }
  if (architecture == "cohere2") writer.number("cohere2.attention.sliding_window", ElementType::u32, 70U);
}

/// What makes it do all that it can: windows over more than a block, scales, stretched positions.
inline void write_telling_keys(GgufWriter& writer, const std::string& architecture) {
  const auto key = [&](const char* name) { return architecture + "." + name; };
  const auto number = [&](const char* name, float value) { writer.number(key(name), ElementType::f32, value); };
  const auto is_one_of = [&](std::initializer_list<const char*> names) {
    return std::find(names.begin(), names.end(), architecture) != names.end();
  };
  if (is_one_of({"gemma2", "gemma3", "olmo2", "exaone4", "phi3"})) {
    writer.number(key("attention.sliding_window"), ElementType::u32, 70U);
  }
  if (is_one_of({"gemma2", "gemma3", "olmo2", "exaone4", "cohere2"})) {
    writer.number(key("attention.sliding_window_pattern"), ElementType::u32, 2U);
  }
  if (is_one_of({"llama", "mistral3", "qwen2", "olmo2"})) {
    writer.string(key("rope.scaling.type"), "yarn");
    writer.number(key("rope.scaling.original_context_length"), ElementType::u32, 64U);
    number("rope.scaling.factor", 4.0F);
  }
  if (architecture == "mistral3") number("attention.temperature_scale", 0.3F);
  if (!architecture.starts_with("granite")) return;
  number("embedding_scale", 3.0F);
  number("residual_scale", 0.4F);
  number("attention.scale", 0.1F);
}

}  // namespace troupe::testing
