#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "runtime/program/ops/kinds.hpp"
#include "troupe/error.hpp"

namespace troupe {

/// Which of a shard's matrices memory does not keep: they are read from disk in every step, a layer at a time, into
/// buffers that layers take in turn. In memory stay the other layers' matrices, the output head, and what is no matrix.
struct StreamPlan {
  struct Unit {
    std::uint32_t layer;            ///< as the model counts
    std::vector<WeightId> weights;  ///< its matrices
    std::uint64_t bytes;            ///< packed, all of them
  };
  std::vector<Unit> units;        ///< in the order in which a step reads them
  std::uint64_t buffer_bytes = 0;  ///< of one buffer: the largest unit, in whole pages

  static constexpr std::size_t buffers = 2;  ///< one is read into while the other is computed with
  static constexpr std::size_t page = 4096;  ///< in whole ones units lie in files and buffers

  [[nodiscard]] std::uint64_t bytes() const { return buffers * buffer_bytes; }
  [[nodiscard]] std::uint64_t streamed() const {
    std::uint64_t sum = 0;
    for (const Unit& unit : units) sum += unit.bytes;
    return sum;
  }
};

/// Reads a unit of a stream plan into memory of whole pages; on the stream's thread.
using ReadUnit = std::function<Result<void>(std::size_t unit, std::span<std::byte> into)>;

}  // namespace troupe
