#include "runtime/memory/kv_groups.hpp"

#include <algorithm>
#include <bit>

#include "kernels/kv_layout.hpp"

namespace troupe {

std::uint32_t KvDeal::count(std::uint32_t blocks) const {
  const std::uint32_t lap = stretch * parts, rest = blocks % lap, before = stretch * part;
  return blocks / lap * stretch + (rest > before ? std::min(rest - before, stretch) : 0);
}

std::uint64_t KvDeal::block(std::uint64_t index) const {
  return (index / stretch * parts + part) * stretch + index % stretch;
}

std::uint32_t KvDeal::most(std::uint32_t blocks) const {
  const std::uint32_t lap = stretch * parts;
  return blocks / lap * stretch + std::min(blocks % lap, stretch);
}

KvDeal kv_deal(std::uint32_t context, std::uint32_t parts, std::uint32_t part) {
  constexpr std::uint32_t stretches = 8;  // for each part, and half as many at least
  if (parts == 1) return {};
  const std::uint32_t all = stretches * parts, blocks = kv_blocks_for(context);
  return {std::bit_ceil(std::max(1U, (blocks + all - 1) / all)), parts, part};
}

KvGroups kv_groups(const ModelDescription& model, std::uint32_t parts) {
  std::vector<std::uint32_t> window_of;
  for (const LayerShape& layer : model.layers) window_of.push_back(layer.window);
  KvGroups groups{window_of, {}};
  std::sort(groups.windows.begin(), groups.windows.end());
  groups.windows.erase(std::unique(groups.windows.begin(), groups.windows.end()), groups.windows.end());
  for (const std::uint32_t window : window_of) {
    const auto found = std::find(groups.windows.begin(), groups.windows.end(), window);
    groups.of_layer.push_back(static_cast<std::uint32_t>(found - groups.windows.begin()) * parts);
  }
  std::vector<std::uint32_t> windows;
  for (const std::uint32_t window : groups.windows) windows.insert(windows.end(), parts, window);
  groups.windows = std::move(windows);
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
