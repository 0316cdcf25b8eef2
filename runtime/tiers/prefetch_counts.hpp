#pragma once

#include <atomic>
#include <cstdint>

namespace troupe {

/// What has been read from disk for all shards of a model: see PrefetchStats. Any thread; nothing else is read by them,
/// so relaxed. `waited` is in nanoseconds.
struct PrefetchCounts {
  std::atomic<std::uint64_t> reads{0}, bytes{0}, late{0}, wasted{0}, mended{0}, waited{0}, hits{0}, foreseen{0},
      misses{0};
};

}  // namespace troupe
