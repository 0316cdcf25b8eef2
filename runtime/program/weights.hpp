#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "runtime/memory/buffer.hpp"
#include "runtime/program/program.hpp"

namespace troupe {

/// A weight ready for the kernels. Which field counts is its Weight::Use.
struct LoadedWeight {
  kernels::PackedMatrix matrix{};
  const float* vector = nullptr;
  const std::byte* rows = nullptr;  ///< in the file, row 0
  kernels::Format rows_format{};
  std::uint32_t columns = 0;
};

/// One weight in memory, immutable. Whoever holds it keeps it, and what it looks into.
class WeightPiece {
 public:
  WeightPiece(LoadedWeight weight, std::shared_ptr<const Buffer> memory)
      : weight_(weight), memory_(std::move(memory)) {}
  [[nodiscard]] const LoadedWeight& weight() const { return weight_; }

 private:
  LoadedWeight weight_;
  std::shared_ptr<const Buffer> memory_;  ///< that it lies in, with those that were packed together with it
};

/// The weights of one shard.
struct ShardWeights {
  std::vector<LoadedWeight> weights;  ///< [Program::weights]
  std::vector<std::shared_ptr<const WeightPiece>> pieces;
};

/// Bytes that packing a weight takes.
[[nodiscard]] std::size_t weight_bytes(const Weight& weight);

/// Called with the bytes done so far: from one thread at a time, and never again once it has said false, which ends the
/// packing with Code::cancelled. It must not throw.
using Advanced = std::function<bool(std::size_t done)>;

/// A matrix that is packed, but lies nowhere yet.
[[nodiscard]] LoadedWeight unplaced(const Weight& weight);

/// Packs weights into one piece of memory, one after the other, each of weight_bytes, in parallel on up to `threads` threads, fewer where the system has no more.
/// `advanced` comes to all of their bytes at the end. Nothing is allocated, nor said, where there is nothing to pack.
[[nodiscard]] Result<std::vector<std::shared_ptr<const WeightPiece>>> pack_weights(
    const std::vector<const Weight*>& weights, std::uint32_t threads, const Advanced& advanced);

}  // namespace troupe
