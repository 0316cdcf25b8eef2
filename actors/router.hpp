#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "actors/log.hpp"
#include "actors/messages.hpp"
#include "runtime/schedule/prefix_places.hpp"

namespace troupe::actors {

struct RouterState {
  using Time = caf::actor_clock::time_point;
  const char* name = "router";
  std::size_t most_losses = 0;
  struct Replica {
    Epoch epoch = 0;
    SchedulerActor scheduler;
    std::uint64_t owes = 0;     ///< tokens that it has not computed of its requests, as far as is known here
    std::optional<Error> away;  ///< why it serves nobody
    bool returns = false;       ///< when it is away
  };
  struct Entry {
    std::shared_ptr<const Request> request;
    std::vector<TokenId> log{};              ///< what has been streamed: prompt and log are all that a sequence is
    std::optional<std::uint32_t> replica{};  ///< none: it waits for one
    std::uint64_t owed = 0;                  ///< of Replica::owes
    std::optional<Time> deadline{};          ///< its entry in `deadlines`
    std::optional<Error> stopped{};          ///< how it will end, once its replica has heard of it
    std::size_t losses = 0;                  ///< replicas that broke while they computed it, since its last token
    float surprise_bound = 0.0F;             ///< Mirostat's, behind the log
  };
  std::map<std::uint32_t, Replica> replicas;
  float prefix_weight = 0.0F;
  PrefixPlaces places{std::size_t{1} << 16};
  std::map<SequenceId, Entry> open;
  std::set<std::pair<Time, SequenceId>> deadlines;  ///< of open requests, the earliest first
  std::optional<Time> next_look;                    ///< at the clock
};

/// Where requests come in: gives each to the replica that owes the fewest tokens, keeps its token log, and passes its
/// tokens to the host. A token that a replica's cache may have counts `prefix_weight` tokens less that it owes; 0: what
/// caches may have does not count. Requests that no replica can serve now wait for one that will. Where one breaks or
/// is drained, its requests go on elsewhere, or on the same when it is back, from the token log. Watches their
/// deadlines. A request with which more than `most_losses` replicas have broken, one after the other, without a token
/// between, ends with the error of the last: it may be what breaks them.
[[nodiscard]] RouterActor::behavior_type router(RouterActor::stateful_pointer<RouterState> self, Log log,
                                                std::size_t most_losses, float prefix_weight);

}  // namespace troupe::actors
