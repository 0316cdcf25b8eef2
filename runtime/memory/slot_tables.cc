#include "runtime/memory/slot_tables.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

Result<SlotTables> SlotTables::create(std::size_t groups, std::uint32_t slots, std::uint32_t entries) {
  auto memory = Buffer::allocate(groups * slots * entries * sizeof(std::byte*), "the tables of the KV cache");
  if (!memory) return memory.error();
  return SlotTables(groups, slots, entries, std::move(*memory));
}

void SlotTables::open(std::uint32_t slot) {
  missing_[slot].clear();
  for (std::size_t at = slot; at < ends_.size(); at += slots_) ends_[at] = 0;
}

Result<void> SlotTables::apply(const SequenceSlice& slice, KvStore& store) {
  Result<void> result;
  const std::vector<Entry> again = std::exchange(missing_[slice.slot], {});
  for (const Entry& entry : again) {
    if (auto had = set(slice.slot, entry, store); !had) result = had;
  }
  for (const TableChange& change : slice.table) {
    std::byte** const mine = row(change.group, slice.slot);
    std::uint32_t& end = ends_[std::size_t{change.group} * slots_ + slice.slot];
    if (change.first > end) std::fill(mine + end, mine + change.first, nullptr);
    end = change.first + static_cast<std::uint32_t>(change.blocks.size());
    for (std::uint32_t i = 0; i < change.blocks.size(); ++i) {
      mine[change.first + i] = nullptr;
      if (change.blocks[i] == TableChange::none) continue;
      const Entry entry{change.group, change.first + i, change.blocks[i]};
      if (auto had = set(slice.slot, entry, store); !had) result = had;
    }
  }
  return result;
}

Result<void> SlotTables::set(std::uint32_t slot, const Entry& entry, KvStore& store) {
  auto reserved = store.reserve(entry.group, entry.block);
  row(entry.group, slot)[entry.index] = store.block(entry.group, entry.block);
  if (!reserved) missing_[slot].push_back(entry);
  return reserved;
}

}  // namespace troupe
