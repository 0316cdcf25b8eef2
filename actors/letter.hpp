#pragma once

#include <caf/all.hpp>
#include <utility>

namespace troupe::actors {

/// A message made while there is memory, for when there may be none.
template <class Content>
[[nodiscard]] caf::mailbox_element_ptr letter(Content content) {
  return caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, std::move(content));
}

/// One that ends who gets it.
[[nodiscard]] inline caf::mailbox_element_ptr exit_letter() {
  return letter(caf::exit_msg{{}, caf::exit_reason::user_shutdown});
}

/// Sends it; takes no memory. `unit`: who runs the actor that it wakes; null: the system's threads.
template <class Handle>
void post(const Handle& to, caf::mailbox_element_ptr letter, caf::execution_unit* unit = nullptr) {
  caf::actor_cast<caf::abstract_actor*>(to)->enqueue(std::move(letter), unit);
}

}  // namespace troupe::actors
