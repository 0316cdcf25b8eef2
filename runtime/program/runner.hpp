#pragma once

#include <chrono>

#include "runtime/memory/held_kv.hpp"
#include "runtime/schedule/step.hpp"
#include "transport/deadline.hpp"

namespace troupe {

/// What a node of a graph does with a step: blocks in its channels and collectives, so it runs on a thread of its own.
class StepRunner {
 public:
  virtual ~StepRunner() = default;

  /// Steps come in order, one at a time, from one thread.
  [[nodiscard]] virtual StepOutcome run(const Step& step) = 0;

  /// What it holds of the KV cache, for as long as it lives, or null; while no step is run.
  [[nodiscard]] virtual HeldKv* kv() { return nullptr; }

  /// From any thread: whatever run() waits for fails with this error, now and from now on.
  virtual void abort(const Error& why) = 0;
};

/// The longest silence of a peer that a step bears; this ends what would hang.
inline constexpr std::chrono::seconds peer_patience{600};

}  // namespace troupe
