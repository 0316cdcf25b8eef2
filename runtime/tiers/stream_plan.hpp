#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/program/ops/kinds.hpp"
#include "troupe/error.hpp"

namespace troupe {

/// Which of a shard's matrices memory does not keep, but reads from disk, packed. In memory stay the other layers'
/// matrices, the output head, and what is no matrix.
struct StreamPlan {
  /// What is read at once.
  struct Unit {
    std::uint32_t layer;            ///< as the model counts
    std::vector<WeightId> weights;  ///< its matrices
    std::uint64_t bytes;            ///< packed, all of them
  };

  /// Layers that every step reads, in this order, into buffers that they take in turn.
  std::vector<Unit> layers;
  std::uint64_t buffer_bytes = 0;  ///< of one buffer: the largest layer, in whole pages

  /// Experts, layer by layer, that are read when rows go to them, or are thought to, and kept while there is room.
  std::vector<Unit> experts;
  std::uint32_t slots = 0;       ///< for so many of them
  std::uint64_t slot_bytes = 0;  ///< of one slot: the largest expert, in whole pages

  static constexpr std::size_t buffers = 3;       ///< one computes, the others are read
  static constexpr std::size_t expert_reads = 4;  ///< under way at once
  static constexpr std::size_t page = 4096;       ///< in whole ones units lie in files, buffers and slots

  /// Of memory that is read into.
  [[nodiscard]] std::uint64_t bytes() const {
    return (layers.empty() ? 0 : buffers * buffer_bytes) + slots * slot_bytes;
  }

  // Layers, then experts, counted as one list: as they lie on disk, and readers number them.
  [[nodiscard]] std::size_t units() const { return layers.size() + experts.size(); }
  [[nodiscard]] const Unit& unit(std::size_t i) const {
    return i < layers.size() ? layers[i] : experts[i - layers.size()];
  }
  [[nodiscard]] std::uint64_t bytes_on_disk() const {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < units(); ++i) sum += unit(i).bytes;
    return sum;
  }
};

[[nodiscard]] inline std::uint64_t whole_pages(std::uint64_t bytes) {
  return (bytes + StreamPlan::page - 1) / StreamPlan::page * StreamPlan::page;
}

/// Reads units of a stream plan into memory of whole pages, while the caller does something else: see DiskReader, by
/// which that is done. One thread at a time.
class UnitReader {
 public:
  static constexpr std::size_t places = StreamPlan::buffers + StreamPlan::expert_reads;  ///< the first ones are layers'
  virtual ~UnitReader() = default;  ///< waits for what is under way
  [[nodiscard]] virtual Result<void> begin(std::size_t place, std::size_t unit, std::span<std::byte> into) = 0;
  [[nodiscard]] virtual bool ready(std::size_t place) = 0;
  [[nodiscard]] virtual Result<void> wait(std::size_t place, std::chrono::nanoseconds patience) = 0;
};

}  // namespace troupe
