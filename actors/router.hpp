#pragma once

#include <map>

#include "actors/log.hpp"
#include "actors/messages.hpp"

namespace troupe::actors {

struct RouterState {
  const char* name = "router";
  struct Replica {
    SchedulerActor scheduler;
    std::size_t load = 0;  ///< requests that have not ended
    std::optional<Error> down;
  };
  struct Entry {
    std::shared_ptr<const Request> request;
    std::uint32_t replica = 0;
    std::vector<TokenId> log;  ///< what has been streamed: prompt and log are all that a sequence is
  };
  std::vector<Replica> replicas;
  std::map<SequenceId, Entry> open;
  std::vector<Submit> early;  ///< requests from before it has heard of its replicas
};

/// Where requests come in: gives each to the replica with the fewest, keeps its token log, and passes its tokens to the
/// host. Requests that come before its replicas wait for them.
[[nodiscard]] RouterActor::behavior_type router(RouterActor::stateful_pointer<RouterState> self, Log log);

}  // namespace troupe::actors
