#pragma once

#include <caf/execution_unit.hpp>
#include <caf/resumable.hpp>
#include <cstddef>

namespace troupe::actors {

/// An actor's turn, of so many messages at most. CAF keeps what handlers throw; what its own code throws, where memory
/// is gone, ends the turn and not the process.
[[nodiscard]] inline caf::resumable::resume_result resume(caf::resumable* job, caf::execution_unit* unit) noexcept {
  constexpr std::size_t messages = 64;
  try {
    return job->resume(unit, messages);
  } catch (...) {
    return caf::resumable::done;
  }
}

}  // namespace troupe::actors
