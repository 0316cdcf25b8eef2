#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/packed.hpp"
#include "kernels/rope_style.hpp"
#include "runtime/memory/held_kv.hpp"
#include "runtime/memory/kv_groups.hpp"
#include "runtime/model/description.hpp"
#include "runtime/program/ops.hpp"

namespace troupe {

/// How many rows a value has. How many there are of a space is known only while a step runs: of space 0 they are the
/// step's, of any other an op says it, ahead of the sections over it.
struct RowSpace {
  std::string name;           ///< "step", "own", "sent", "guest", "routed", "found", "gathered", "wanted"
  std::uint32_t per_row = 1;  ///< at most so many for each row of the step, or of a rank's part of them ...
  std::uint32_t tile = 0;     ///< ... and, where not 0, worked on so many at a time: no value of it has more
  std::uint32_t ranks = 1;    ///< among which the step's rows are shared out, where it is a rank's part that counts

  /// Rows of a value, where a step has at most `step_rows`.
  [[nodiscard]] std::size_t most(std::size_t step_rows) const {
    const std::size_t all = per_row * ((step_rows + ranks - 1) / ranks);
    return tile == 0 ? all : std::min<std::size_t>(all, tile);
  }
};

/// An activation: [rows, columns]. Quantised columns are Q8Blocks of 32.
enum class ValueType : std::uint8_t { f32, q8, fixed };

struct Value {
  std::string name;
  ValueType type;
  std::uint32_t columns;
  SpaceId space = 0;
};

/// What a shard holds of one of the file's tensors: a matrix to pack, a vector of floats, or rows to read where they
/// are.
struct Weight {
  enum class Use : std::uint8_t { matrix, vector, rows };
  std::string tensor;
  Use use;
  kernels::PackSource source;  ///< of a vector: one leaf of one row
};

/// Ops in order, over the rows of one space; where that has a tile, once for each tile.
struct Section {
  std::string name;
  SpaceId space = 0;
  std::vector<Op> ops{};
};

/// A communicator of some ranks of the stage, by what it is for. How they are joined is not the program's business.
struct ProgramGroup {
  std::string name;          ///< "tp", "ep", "rows", "stage"
  std::uint32_t number = 0;  ///< of those of this name in the stage
  std::uint32_t size = 1, rank = 0;
};

/// Rotary embedding: the angles of a position are its product with the frequencies. What is rotated is multiplied by
/// what magnitude_at says.
struct Rotation {
  kernels::RopeStyle style;
  std::uint32_t dims;               ///< of a head, the first ones
  std::vector<double> frequencies;  ///< [dims / 2]
  double factor = 1.0;
  RotationShape::Temperature temperature{};
};

/// How often a fusion rule has found its place.
struct RuleUse {
  std::string_view rule;
  std::uint32_t times;
};

/// Of the contract's arithmetic, so that every device has the same.
[[nodiscard]] double magnitude_at(const Rotation& rotation, std::uint64_t position);

/// What one shard does in one step.
struct Program {
  std::vector<RowSpace> spaces{{"step"}};
  std::vector<Value> values{};
  std::vector<Weight> weights{};
  std::vector<Section>
      sections{};              ///< "layers", with others between where rows are exchanged; "head" in the last stage
  std::vector<RuleUse> fused{};  ///< by which rules its ops were, in the order in which they were tried
  std::vector<ProgramGroup> groups{};
  std::uint32_t events = 0;
  std::vector<Rotation> rotations{};
  std::uint32_t kv_groups = 1;  ///< of layers, of the whole model: see KvGroups
  std::vector<KvPlace> kv{};    ///< [layers of the shard]
  KvDeal deal{};                ///< which positions of them are here

  ValueId hidden = 0;  ///< the residual stream as it travels between stages, [rows of the step, hidden]

  SpaceId own_rows = 0;  ///< of the layers: the step's, or those that this rank has of them
  std::uint32_t row_rank = 0, row_ranks = 1;

  /// Made by the section over its space, tile by tile: [rows, vocabulary], whole at the first rank, empty at others.
  std::optional<ValueId> logits{};
};

inline constexpr std::uint32_t logit_tile = 16;

/// Bytes of one block of each of the model's groups of layers, as this shard holds it.
[[nodiscard]] std::vector<std::uint64_t> kv_block_bytes(const Program& program);

/// One line an op: what `inspect --program` prints.
[[nodiscard]] std::string to_string(const Program& program);

}  // namespace troupe
