#pragma once

#include "runtime/model/description.hpp"
#include "troupe/graph.hpp"

namespace troupe {

[[nodiscard]] inline Range scaled(Range range, std::uint32_t units) {
  return {range.first * units, range.last * units};
}

/// What a shard computes of one layer.
struct LayerPart {
  Leaves attention, ffn, shared;                      ///< of the whole layer
  Range attention_leaves, ffn_leaves, shared_leaves;  ///< the shard's
  Range query_heads, kv_heads, ffn_columns, shared_columns;
};

/// The KV heads that query heads read.
[[nodiscard]] Range kv_heads_of(Range query_heads, const LayerShape& layer);

/// A graph counts shares in leaves of the narrowest layer; of any other a shard has the same part, to the leaf, so that
/// the ranks' parts are the whole and none is empty.
[[nodiscard]] LayerPart part_of(const LayerShape& layer, const ModelDescription& model, const GraphNode& shard);

}  // namespace troupe
