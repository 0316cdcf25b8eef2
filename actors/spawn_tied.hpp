#pragma once

#include <caf/all.hpp>

namespace troupe::actors {

/// Spawns an actor and ties it to `self`, by `tie(child)`. CAF's own options lose the child where there is no memory
/// for the tie: it runs on, and the system waits for its end for ever.
template <class Self, class Tie, class Behavior, class... Args>
auto spawn_tied(Self self, const Tie& tie, Behavior behavior, Args&&... args) {
  auto child = self->spawn(behavior, std::forward<Args>(args)...);
  try {
    tie(child);
  } catch (...) {
    self->send_exit(child, caf::exit_reason::kill);
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
