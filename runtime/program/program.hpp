#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/packed.hpp"
#include "runtime/model/description.hpp"
#include "troupe/graph.hpp"

namespace troupe {

class OpContext;

/// How one kind of op is done: every thread of a shard's team calls `run`; a barrier follows.
struct OpKind {
  std::string_view name;
  void (*run)(const struct Op& op, OpContext& context);
};

using ValueId = std::uint32_t;
using WeightId = std::uint32_t;

/// An activation: [rows of the step, columns]. Quantised columns are Q8Blocks of 32.
enum class ValueType : std::uint8_t { f32, q8, fixed };

struct Value {
  std::string name;
  ValueType type;
  std::uint32_t columns;
};

/// What a shard holds of one of the file's tensors: a matrix to pack, a vector of floats, or rows to read where they
/// are.
struct Weight {
  enum class Use : std::uint8_t { matrix, vector, rows };
  std::string tensor;
  Use use;
  kernels::PackSource source;
};

/// One op of a step. Which fields count is the kind's business.
struct Op {
  const OpKind* kind = nullptr;
  std::uint32_t layer = 0;  ///< for error messages and the listing
  std::vector<ValueId> in{}, out{};
  std::vector<WeightId> weights{};
  float number = 0.0F;  ///< epsilon of a norm, scale of an embedding or of attention
  std::uint32_t heads = 0, kv_heads = 0, head_dim = 0;
  std::uint32_t window = 0;    ///< of attention, in positions; 0: none
  std::uint32_t kv_layer = 0;  ///< which of the shard's layers, from 0
  std::uint32_t rope = 0;      ///< which of the model's rotary frequencies
  bool norm_first = false;     ///< of residual: the sum goes through a norm before it is added
};

/// Where one of the shard's layers keeps its KV heads: how many bytes from the start of a block of its group (see
/// KvGroups).
struct KvPlace {
  std::uint32_t group = 0;
  std::size_t offset = 0;
  std::uint32_t heads = 0, head_dim = 0;
};

/// What one shard does in one step: `body` once over the step's rows; `tail` (empty but in the last stage) over the
/// rows whose logits are wanted, logit_tile at a time. A tail value has at most logit_tile rows.
struct Program {
  std::vector<Value> values;
  std::vector<Weight> weights;
  std::vector<Op> body, tail;
  ValueId hidden = 0;           ///< the residual stream, [rows, hidden]
  ValueId logits = 0;           ///< of the tail: [logit_tile, vocabulary], whole at the first rank
  std::uint32_t kv_groups = 1;  ///< of the whole model
  std::vector<KvPlace> kv;      ///< [layers of the shard]
  std::uint32_t kv_heads = 0;   ///< KV heads of each layer that this shard holds
  std::uint32_t head_dim = 0;
  std::vector<std::uint16_t> kv_slot;  ///< [query heads of this shard]: which of its KV heads each reads
};

inline constexpr std::uint32_t logit_tile = 16;

/// Bytes of one block of each of the model's groups of layers, as this shard holds it.
[[nodiscard]] std::vector<std::size_t> kv_block_bytes(const Program& program);

/// One line an op: what `inspect --program` prints.
[[nodiscard]] std::string to_string(const Program& program);

}  // namespace troupe
