#pragma once

#include <functional>
#include <thread>

namespace troupe {

/// Starts a thread of the runtime's own. Signals are the host's business: all that another thread could take are
/// blocked in it; those that a fault of its own raises are not, so that the host's crash handler sees them, nor is
/// SIGPROF. `name`: at most 15 characters, for debuggers and top. `owner`: see on_thread_of. Throws std::system_error
/// where the system has no more threads.
[[nodiscard]] std::thread start_thread(const char* name, std::function<void()> work, const void* owner = nullptr);

/// Whether the calling thread is one of those, whichever runtime's.
[[nodiscard]] bool on_own_thread();

/// Whether it is one that was started for this owner.
[[nodiscard]] bool on_thread_of(const void* owner);

}  // namespace troupe
