#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
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

  static constexpr std::size_t buffers = 3;  ///< that layers take in turn: one computes, the others are read
  static constexpr std::size_t page = 4096;  ///< in whole ones units lie in files and buffers

  [[nodiscard]] std::uint64_t bytes() const { return buffers * buffer_bytes; }
  [[nodiscard]] std::uint64_t streamed() const {
    std::uint64_t sum = 0;
    for (const Unit& unit : units) sum += unit.bytes;
    return sum;
  }
};

/// Reads units of a stream plan into memory of whole pages, while the caller does something else: see DiskFile, by which
/// that is done. One thread at a time.
class UnitReader {
 public:
  virtual ~UnitReader() = default;  ///< waits for what is under way
  [[nodiscard]] virtual Result<void> begin(std::size_t place, std::size_t unit, std::span<std::byte> into) = 0;
  [[nodiscard]] virtual bool ready(std::size_t place) = 0;
  [[nodiscard]] virtual Result<void> wait(std::size_t place, std::chrono::nanoseconds patience) = 0;
};

}  // namespace troupe
