#pragma once

#include <atomic>
#include <cstdint>

#include "troupe/model.hpp"

namespace troupe::actors {

/// What a replica's actors know, for whoever asks. They write, others read; any thread.
struct ReplicaCounters {
  std::atomic<ReplicaState> state{ReplicaState::serving};
  std::atomic<std::uint32_t> queued{0}, running{0}, kv_blocks{0}, kv_used{0}, kv_cached{0}, restarts{0};

  [[nodiscard]] ReplicaStats read(std::uint32_t number) const {
    return {number, state, queued, running, kv_blocks, kv_used, kv_cached, restarts};
  }
};

}  // namespace troupe::actors
