#pragma once

#include <caf/all.hpp>

namespace troupe::actors {

/// Spawns an actor that ends when `self` does, and the other way round. CAF's own option loses the child where there is
/// no memory for the link: it runs on, and the system waits for its end for ever.
template <class Self, class Behavior, class... Args>
auto spawn_linked(Self self, Behavior behavior, Args&&... args) {
  auto child = self->spawn(behavior, std::forward<Args>(args)...);
  try {
    self->link_to(child);
  } catch (...) {
    self->send_exit(child, caf::exit_reason::kill);
    throw;
  }
  return child;
}

}  // namespace troupe::actors
