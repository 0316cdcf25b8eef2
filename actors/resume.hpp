#pragma once

#include <caf/execution_unit.hpp>
#include <caf/resumable.hpp>
#include <cstddef>

#include "actors/control.hpp"

namespace troupe::actors {

/// An actor's turn, of so many messages at most; where more have come it is handed to `later`. CAF keeps what handlers
/// throw. What its own code throws, where memory is gone, would leave an actor half ended: it is kept for good, because
/// CAF would end it twice, and the system knows that it has lost one (Control::has_lost).
template <class Later>
void resume(caf::resumable* job, caf::execution_unit& unit, const Later& later) noexcept {
  constexpr std::size_t messages = 64;
  try {
    if (job->resume(&unit, messages) == caf::resumable::resume_later) return later(job);
  } catch (...) {
    return note_loss(unit.system());
  }
  caf::intrusive_ptr_release(job);
}

}  // namespace troupe::actors
