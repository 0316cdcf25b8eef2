#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "runtime/program/ops/kinds.hpp"

namespace troupe::ops {

struct KvAppend {
  static constexpr std::string_view name = "kv_append";
  ValueId k, v;
  KvId kv;
  void values(auto&& visit) const { visit.reads(k).reads(v); }
};

/// What the ops of attention have in common.
struct AttentionShape {
  KvId kv;
  std::uint32_t heads, head_dim;
  std::uint32_t window;                ///< in positions; 0: none
  float scale;                         ///< of the products of queries and keys
  float softcap;                       ///< of the scores; 0: none
  std::vector<std::uint16_t> kv_head;  ///< [heads]: which of the shard's KV heads each reads
  std::optional<WeightId> sinks{};     ///< [heads]: a score more for each, whose value is nothing
  void weights(auto&& v) const {       // of the ops that divide by the sum
    if (sinks) v(*sinks);
  }
};

struct AttentionScores {
  static constexpr std::string_view name = "attention_scores";
  ValueId q, scores;
  AttentionShape shape;
  void values(auto&& v) const { v.reads(q).writes(scores); }
};

/// q: whose rows the kernels name, here and in what follows.
struct AttentionSoftmax {
  static constexpr std::string_view name = "attention_softmax";
  ValueId q, scores, maxima, sums;
  AttentionShape shape;
  void values(auto&& v) const { v.reads(q).updates(scores).writes(maxima).writes(sums); }
};

struct AttentionValues {
  static constexpr std::string_view name = "attention_values";
  ValueId q, scores, maxima, sums, y;
  AttentionShape shape;
  void values(auto&& v) const { v.reads(q).reads(scores).reads(maxima).reads(sums).writes(y); }
  void weights(auto&& v) const { shape.weights(v); }
};

// Ranks that share out the positions of the KV cache: of every row of the step each finds what its positions come to,
// and sends it to the rank whose row that is: nodes of attention's tree (see kernels::DealtNodes), of which a row has
// as many as it sees stretches. Keys and values stay where they are (after the queries that travel in Yang et al.,
// Context Parallelism for Scalable Million-Token Inference, 2024).

/// Makes the rows of two spaces: the nodes that this rank finds, and those that all have found of its own rows. It
/// follows from the positions, and from what layers of such a `window` see.
struct PlanNodes {
  static constexpr std::string_view name = "plan_nodes";
  SpaceId found, gathered;
  std::uint32_t window;
  void values(auto&&) const {}
};

/// q: of every row.
struct AttentionNodes {
  static constexpr std::string_view name = "attention_nodes";
  ValueId q, found;
  AttentionShape shape;
  void values(auto&& v) const { v.reads(q).writes(found); }
};

struct ExchangeNodes {
  static constexpr std::string_view name = "exchange_nodes";
  ValueId found, gathered;
  GroupId group;
  EventId done;
  std::uint32_t window;
  void values(auto&& v) const { v.reads(found).writes(gathered); }
};

/// q: of own rows.
struct MergeNodes {
  static constexpr std::string_view name = "merge_nodes";
  ValueId q, gathered, y;
  AttentionShape shape;
  void values(auto&& v) const { v.reads(q).reads(gathered).writes(y); }
  void weights(auto&& v) const { shape.weights(v); }
};

using AttentionOps = Kinds<KvAppend, AttentionScores, AttentionSoftmax, AttentionValues, PlanNodes, AttentionNodes,
                           ExchangeNodes, MergeNodes>;

}  // namespace troupe::ops
