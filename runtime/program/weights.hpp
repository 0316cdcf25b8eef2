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

/// The packed weights of one shard, in one piece of memory. Immutable once packed; replicas share it.
struct ShardWeights {
  Buffer memory;
  std::vector<LoadedWeight> weights;  ///< [Program::weights]
};

/// Bytes that pack_weights allocates.
[[nodiscard]] std::size_t weight_bytes(const Program& program);

/// Packs in parallel on up to `threads` threads, fewer where the system has no more. Calls `advanced` with the bytes
/// done so far, weight_bytes at the end: from one thread at a time, and never again once it has said false, which ends
/// the packing with Code::cancelled. It must not throw.
[[nodiscard]] Result<std::shared_ptr<const ShardWeights>> pack_weights(
    const Program& program, std::uint32_t threads, const std::function<bool(std::size_t)>& advanced);

}  // namespace troupe
