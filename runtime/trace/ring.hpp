#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/trace/event.hpp"

namespace troupe::trace {

/// The latest events of one thread. That thread pushes, and takes no lock and no memory; any other may read meanwhile.
class Ring {
 public:
  /// Room for `events`, rounded up to a power of two; all of it is taken here.
  explicit Ring(std::size_t events);

  /// The event's name must be of static storage.
  void push(const Event& event);

  /// Those that are kept, in the order in which they ended; `overwritten`: how many there were before them. Of a full
  /// ring the oldest is left out: it may be on its way out.
  [[nodiscard]] std::vector<Event> read(std::uint64_t& overwritten) const;

 private:
  // As words, each atomic: a reader may come upon one that is being overwritten, and then leaves it out.
  using Slot = std::array<std::atomic<std::uint64_t>, 6>;
  std::vector<Slot> slots_;
  std::atomic<std::uint64_t> pushed_{0};
};

}  // namespace troupe::trace
