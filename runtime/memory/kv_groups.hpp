#pragma once

#include <cstdint>
#include <vector>

#include "runtime/model/description.hpp"

namespace troupe {

/// Layers that see the same window keep their keys and values alike, and form a group: its blocks hold all of them, and
/// come and go together. The group that sees everything, where there is one, is the first.
struct KvGroups {
  std::vector<std::uint32_t> windows;   ///< [groups]: how many positions are seen; 0: all
  std::vector<std::uint32_t> of_layer;  ///< [layers]: in which group each is
};

[[nodiscard]] KvGroups kv_groups(const ModelDescription& model);

/// Blocks that hold so many positions from position 0.
[[nodiscard]] std::uint32_t kv_blocks_for(std::uint32_t positions);

/// The first of the blocks that the row at `position` sees: all before it are behind its window.
[[nodiscard]] std::uint32_t first_kv_block(std::uint32_t position, std::uint32_t window);

}  // namespace troupe
