#include "runtime/program/layer_part.hpp"

namespace troupe {
namespace {

/// The part of `units` that `part` is of `whole`. Precondition: at least as many units.
Range in_ratio(Range part, std::uint32_t whole, std::uint32_t units) {
  const auto at = [&](std::uint32_t edge) { return static_cast<std::uint32_t>(std::uint64_t{edge} * units / whole); };
  return {at(part.first), at(part.last)};
}

}  // namespace

Range kv_heads_of(Range query_heads, const LayerShape& layer) {
  const std::uint32_t group = layer.heads / layer.kv_heads;
  return {query_heads.first / group, (query_heads.last - 1) / group + 1};
}

LayerPart part_of(const LayerShape& layer, const ModelDescription& model, const GraphNode& shard) {
  LayerPart part;
  part.attention = layer.attention_leaves();
  part.ffn = layer.ffn_leaves();
  part.shared = layer.shared_leaves();
  part.attention_leaves = in_ratio(shard.attention, model.attention_leaves(), part.attention.count);
  part.ffn_leaves = in_ratio(shard.ffn, model.ffn_leaves(), part.ffn.count);
  part.shared_leaves = in_ratio(shard.ffn, model.ffn_leaves(), part.shared.count);
  part.query_heads = scaled(part.attention_leaves, part.attention.units);
  part.kv_heads = kv_heads_of(part.query_heads, layer);
  part.ffn_columns = scaled(part.ffn_leaves, part.ffn.units);
  part.shared_columns = scaled(part.shared_leaves, part.shared.units);
  return part;
}

}  // namespace troupe
