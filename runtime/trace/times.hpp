#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/trace/recording.hpp"

namespace troupe::trace {

/// [begin, end)
struct Interval {
  Time begin, end;
};

/// What a wait was for: another actor's channel (or, in a group, the rank that waits for one), the other ranks of a
/// collective, or the other threads of the team.
enum class WaitFor : std::uint8_t { channel, ranks, team };

/// What one row's time went to, in nanoseconds; nothing is counted twice.
struct Times {
  Time compute = 0, transfer = 0;
  Time waits[3] = {};  ///< [WaitFor]
  Time covered = 0;    ///< all of them; the rest was idle
  std::uint64_t steps = 0;
  std::map<std::uint32_t, Time> layers{};  ///< what goes with a layer's ops, and their waits for ranks and team
  std::map<std::string_view, Time> ops{}, transfers{};  ///< compute that has a name, and transfer, by name
  std::vector<Interval> busy{}, computing{};            ///< within steps, without waits for channels; without any waits
  /// Of each step's collectives, in their order, how long it waited there: by (epoch, step).
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::vector<Time>> collectives{};

  [[nodiscard]] Time waited() const { return waits[0] + waits[1] + waits[2]; }
};

/// The part of a row from `start` on. Its events may come in any order; what does not nest is cut so that it does.
[[nodiscard]] Times times_of(const Row& row, Time start);

/// How long at least `depth` intervals run at once.
[[nodiscard]] Time time_at_depth(const std::vector<Interval>& intervals, std::size_t depth);

}  // namespace troupe::trace
