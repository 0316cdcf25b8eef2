#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/memory/kv_store.hpp"
#include "runtime/schedule/step.hpp"

namespace troupe {

/// Where in a shard's memory the blocks of each slot lie: what a step says of them, applied. One thread at a time.
class SlotTables {
 public:
  /// `entries`: blocks of a sequence at most. Allocates nothing later, but where a block cannot be had.
  [[nodiscard]] static Result<SlotTables> create(std::size_t groups, std::uint32_t slots, std::uint32_t entries);

  /// A new sequence has the slot.
  void open(std::uint32_t slot);

  /// What a slice says of its slot. Its blocks become present; out_of_memory, now and with every further slice of the
  /// sequence until it can be had, where one cannot.
  [[nodiscard]] Result<void> apply(const SequenceSlice& slice, KvStore& store);

  /// For each block of 64 positions from position 0: where it lies. What a window has left is not looked at.
  [[nodiscard]] std::byte* const* blocks(std::uint32_t group, std::uint32_t slot) const { return row(group, slot); }

 private:
  struct Entry {
    std::uint32_t group, index, block;
  };
  SlotTables(std::size_t groups, std::uint32_t slots, std::uint32_t entries, Buffer memory)
      : slots_(slots), entries_(entries), memory_(std::move(memory)), missing_(slots), ends_(groups * slots, 0) {}
  [[nodiscard]] std::byte** row(std::uint32_t group, std::uint32_t slot) const {
    return reinterpret_cast<std::byte**>(memory_.data()) + (std::size_t{group} * slots_ + slot) * entries_;
  }
  [[nodiscard]] Result<void> set(std::uint32_t slot, const Entry& entry, KvStore& store);

  std::uint32_t slots_, entries_;
  Buffer memory_;  ///< [groups][slots][entries] pointers; mapped, so that it costs what is used
  std::vector<std::vector<Entry>> missing_;  ///< [slots]: blocks that could not be had
  std::vector<std::uint32_t> ends_;          ///< [groups][slots]: entries that the slot's sequence has
};

}  // namespace troupe
