#pragma once

#include <cstdint>
#include <vector>

#include "runtime/model/description.hpp"

namespace troupe {

/// Which blocks of 64 positions are whose, where ranks share them out: stretches of them, from position 0 on, are dealt
/// out to `parts` in turn. A stretch is a power of two of blocks, so that what a rank knows of one is a node of
/// attention's tree.
struct KvDeal {
  std::uint32_t stretch = 1, parts = 1, part = 0;

  [[nodiscard]] std::uint32_t part_of(std::uint32_t block) const { return block / stretch % parts; }
  [[nodiscard]] bool has(std::uint32_t block) const { return part_of(block) == part; }
  /// Of the first `blocks`, those that it has.
  [[nodiscard]] std::uint32_t count(std::uint32_t blocks) const;
  /// The number of the block that is the `index`th of those that it has; bounded, as there may be none.
  [[nodiscard]] std::uint64_t block(std::uint64_t index) const;
  /// Of any `blocks` in a row, those that it has at most.
  [[nodiscard]] std::uint32_t most(std::uint32_t blocks) const;
  friend bool operator==(const KvDeal&, const KvDeal&) = default;
};

/// The deal for sequences of so many positions: long stretches make fewer nodes, short ones more even parts.
[[nodiscard]] KvDeal kv_deal(std::uint32_t context, std::uint32_t parts, std::uint32_t part = 0);

/// Layers that see the same window keep their keys and values alike, and form a group: its blocks hold all of them, and
/// come and go together. Where ranks share out the positions, a group for each of the parts. The groups that see
/// everything, where there are any, are the first.
struct KvGroups {
  std::vector<std::uint32_t> windows;   ///< [groups]: how many positions are seen; 0: all
  std::vector<std::uint32_t> of_layer;  ///< [layers]: in which group each is, the first of its parts
};

[[nodiscard]] KvGroups kv_groups(const ModelDescription& model, std::uint32_t parts = 1);

/// Blocks that hold so many positions from position 0.
[[nodiscard]] std::uint32_t kv_blocks_for(std::uint32_t positions);

/// The first of the blocks that the row at `position` sees: all before it are behind its window.
[[nodiscard]] std::uint32_t first_kv_block(std::uint32_t position, std::uint32_t window);

}  // namespace troupe
