#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/packed.hpp"
#include "runtime/program/ops.hpp"

namespace troupe {

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
};

inline constexpr std::uint32_t logit_tile = 16;

/// Bytes of one block of each of the model's groups of layers, as this shard holds it.
[[nodiscard]] std::vector<std::size_t> kv_block_bytes(const Program& program);

/// One line an op: what `inspect --program` prints.
[[nodiscard]] std::string to_string(const Program& program);

}  // namespace troupe
