#pragma once

#include <optional>
#include <string_view>

#include "plugins/architectures/transformer_keys.hpp"
#include "runtime/model/description.hpp"
#include "runtime/model/model_file.hpp"

namespace troupe::plugins {

struct TransformerDefaults {
  double default_theta;
  kernels::RopeStyle rope_style;
  Norm norm = Norm::rms;

  /// Where the architecture's layers may have experts in place of one FFN; others' files are refused.
  struct Experts {
    /// Those that every row goes to, side by side: as wide as "expert_shared_feed_forward_length" says, or as many of
    /// the others' width as "expert_shared_count".
    enum class Shared : std::uint8_t { none, wide, counted };

    bool normalised;  ///< see ExpertChoice; the key "expert_weights_norm" says otherwise
    Shared shared = Shared::none;
    Gating gating = Gating::softmax;
    bool leading_dense = false;  ///< whether the first "leading_dense_block_count" layers have none
  };
  std::optional<Experts> experts{};
  bool yarn_in_whole_pairs = true;  ///< whether YaRN's range is rounded to them; no key says so
};

/// The numbers that transformers' files share, "<prefix>.block_count" and so on, checked: each within what the kernels
/// and 32-bit sizes allow, heads a multiple of KV heads, head sizes multiples of 16; heads and widths may be given for
/// each layer. One rotation; the head tied where the file has no "output.weight".
[[nodiscard]] Result<ModelDescription> describe_transformer(const ModelFile& file, std::string_view prefix,
                                                            TransformerDefaults defaults);

/// Scales scores by what a head would have of the width, and not by what it has, as the largest Gemmas do
/// (gemma_pytorch, config.py).
void scale_by_width(ModelDescription& model);

}  // namespace troupe::plugins
