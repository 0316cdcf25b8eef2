#pragma once

#include <chrono>
#include <cstdint>

namespace troupe::trace {

/// Of the steady clock, in nanoseconds.
using Time = std::int64_t;
[[nodiscard]] inline Time time_of(std::chrono::steady_clock::time_point point) {
  return std::chrono::nanoseconds(point.time_since_epoch()).count();
}
[[nodiscard]] inline Time now() { return time_of(std::chrono::steady_clock::now()); }

enum class Kind : std::uint8_t { step, compute, transfer, wait };

inline constexpr std::uint32_t no_layer = (1U << 24) - 1;

/// What is done beside a program's ops.
inline constexpr const char *receive_tokens = "receive_tokens", *receive_hidden = "receive_hidden",
                            *receive_logits = "receive_logits", *send_hidden = "send_hidden",
                            *send_logits = "send_logits", *send_tokens = "send_tokens", *sample = "sample",
                            *on_step = "on_step";

/// What a thread has done from `begin` to `end`. Those of one thread nest.
struct Event {
  const char* name = "";  ///< an op's, where it is one; lives as long as whoever holds the event
  Kind kind = Kind::compute;
  Time begin = 0, end = 0;
  std::uint32_t layer = no_layer;         ///< as the model counts
  std::uint64_t step = 0;                 ///< Step::id, and ...
  std::uint32_t epoch = 0;                ///< ... Step::epoch: both together are one micro-batch of a model
  std::uint32_t rows = 0, sequences = 0;  ///< of a step
};

}  // namespace troupe::trace
