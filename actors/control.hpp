#pragma once

#include <cstdint>
#include <memory>

#include "troupe/error.hpp"

namespace caf {
class actor_system;
}

namespace troupe::actors {

/// Tells the Control of a system, where it has one, that an actor is lost.
void note_loss(caf::actor_system& system) noexcept;

/// The actors' system, and the threads that run their messages: started here and handed to CAF, because its own would
/// end the process where the system has none left, take the host's signals, and have other names.
class Control {
 public:
  /// Code::failed where the threads cannot be had.
  [[nodiscard]] static Result<std::unique_ptr<Control>> start(std::uint32_t threads);

  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  /// Waits for every actor to end. Any thread but those of on_this_thread().
  ~Control();

  [[nodiscard]] caf::actor_system& system();

  /// Whether an actor has been lost for want of memory: then no answer can be waited for any more.
  [[nodiscard]] bool has_lost() const;

  /// Whether the calling thread runs this system's messages: then it must not wait for them.
  [[nodiscard]] bool on_this_thread() const;

 private:
  class Impl;
  explicit Control(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace troupe::actors
