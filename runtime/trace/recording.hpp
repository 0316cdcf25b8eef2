#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "runtime/trace/event.hpp"
#include "troupe/graph.hpp"

namespace troupe::trace {

/// An actor whose executor is seen.
struct Actor {
  std::string name{};                ///< its node's: "r0.s0.t1"
  std::string kind{};                ///< "shard", "sampler", or one of the host's
  std::uint64_t epoch = 0;           ///< of its replica
  std::uint32_t stage = 0;           ///< of its replica, counted from 0; actors of the host's are stages, too
  std::uint32_t rank = 0;            ///< in its stage
  std::uint32_t tp = 1, others = 1;  ///< the stage's ranks: so many of tp, times so many of sp and ep
  Range layers{};                    ///< of a shard
  std::uint32_t leaves = 0;          ///< of a shard, of the FFN: what uneven tp shares out
};

/// What one thread of an actor has done, as far as it is kept, in the order in which it ended.
struct Row {
  std::size_t actor = 0;          ///< of Recording::actors
  std::uint32_t thread = 0;       ///< of the actor's team; 0 is its executor's
  std::uint64_t overwritten = 0;  ///< events before these
  std::vector<Event> events{};
};

/// All that a trace says, as plain data.
struct Recording {
  std::vector<Actor> actors{};
  std::vector<Row> rows{};
  std::shared_ptr<std::set<std::string>> names{};  ///< of events that were read from a file
};

}  // namespace troupe::trace
