#pragma once

#include <map>

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
};

/// Where requests come in: gives each to the replica with the fewest, keeps its token log, and passes its tokens to the
/// host. Hears of its replicas before its first request.
[[nodiscard]] RouterActor::behavior_type router(RouterActor::stateful_pointer<RouterState> self);

}  // namespace troupe::actors
