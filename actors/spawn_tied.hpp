#pragma once

#include <caf/all.hpp>

#include "actors/letter.hpp"

namespace troupe::actors {

/// Spawns an actor and ties it to `self`, by `tie(child)`. CAF's own options lose the child where there is no memory
/// for the tie: it runs on, and the system waits for its end for ever.
template <class Self, class Tie, class Behavior, class... Args>
auto spawn_tied(Self self, const Tie& tie, Behavior behavior, Args&&... args) {
  auto dismissal = exit_letter();  // there may be no memory when it is needed
  auto child = self->spawn(behavior, std::forward<Args>(args)...);
  try {
    tie(child);
  } catch (...) {
    post(child, std::move(dismissal));
    throw;
  }
  return child;
}

/// An actor that ends when `self` does, and the other way round.
template <class Self, class Behavior, class... Args>
auto spawn_linked(Self self, Behavior behavior, Args&&... args) {
  return spawn_tied(
      self, [self](const auto& child) { self->link_to(child); }, behavior, std::forward<Args>(args)...);
}

/// An actor of whose end `self` hears.
template <class Self, class Behavior, class... Args>
auto spawn_monitored(Self self, Behavior behavior, Args&&... args) {
  return spawn_tied(
      self, [self](const auto& child) { self->monitor(child); }, behavior, std::forward<Args>(args)...);
}

}  // namespace troupe::actors
