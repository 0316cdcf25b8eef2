#include "runtime/memory/kv_groups.hpp"

#include <algorithm>

#include "kernels/kv_layout.hpp"

namespace troupe {

KvGroups kv_groups(const ModelDescription& model) {
  std::vector<std::uint32_t> window_of;
  for (const LayerShape& layer : model.layers) window_of.push_back(layer.window);
  KvGroups groups{window_of, {}};
  std::sort(groups.windows.begin(), groups.windows.end());
  groups.windows.erase(std::unique(groups.windows.begin(), groups.windows.end()), groups.windows.end());
  for (const std::uint32_t window : window_of) {
    const auto found = std::find(groups.windows.begin(), groups.windows.end(), window);
    groups.of_layer.push_back(static_cast<std::uint32_t>(found - groups.windows.begin()));
  }
  return groups;
}

std::uint32_t kv_blocks_for(std::uint32_t positions) {
  constexpr std::uint32_t block = kernels::kv_block;
  return positions / block + (positions % block != 0 ? 1 : 0);
}

std::uint32_t first_kv_block(std::uint32_t position, std::uint32_t window) {
  constexpr std::uint32_t block = kernels::kv_block;
  return window == 0 || position < window ? 0 : (position - window + 1) / block;
}

}  // namespace troupe
