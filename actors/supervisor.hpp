#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>

#include "actors/builder.hpp"
#include "actors/counters.hpp"
#include "actors/log.hpp"
#include "actors/messages.hpp"
#include "runtime/deploy/order.hpp"
#include "runtime/text/tokenizer.hpp"

namespace troupe::actors {

/// A replica as it was made: its graph and settings, and what has come of them.
struct Incarnation {
  Order order;
  ReplicaPlan plan;
};

/// How often a replica may break before it is given up: more than `most` times within `span`. And a request, with which
/// that many have broken: fewer, so that one of its kind ends before what it breaks is given up.
struct RestartLimit {
  std::size_t most = 5;
  caf::actor_clock::duration_type span = std::chrono::minutes(1);
  std::size_t losses = 2;
};

/// How long a replica that could not be made waits before it is tried again, where it has been tried so often since it
/// served: what was wanting, memory above all, may be there then.
[[nodiscard]] inline caf::actor_clock::duration_type pause_after(std::size_t failed_builds) {
  return std::chrono::seconds(std::size_t{1} << std::min<std::size_t>(failed_builds - 1, 4));
}

/// Replicas that are asked for together: all of them serve, or none is there.
struct Growth {
  ChangePromise done;
  bool replaces = false;  ///< all that are there
  std::vector<std::uint32_t> numbers{};
  std::size_t missing = 0;
  std::optional<Error> why{};
};

/// Replicas that are taken out together, and who is told once all of them have ended.
struct Departure {
  std::size_t missing;
  std::function<void()> ended;
};

/// A change of all replicas, once those that are to come are made: they begin when the schedulers of those that served
/// have ended, with what their KV caches held.
struct Succession {
  std::shared_ptr<Growth> growth;
  std::shared_ptr<Departure> departure;  ///< of all that there were; and of the succession, until the others begin
  std::vector<std::uint32_t> all{};      ///< that there were
  std::vector<std::uint32_t> served{};   ///< of these
  std::size_t missing = 0;               ///< schedulers that have not ended
};

struct SupervisorState {
  const char* name = "supervisor";
  struct Replica {
    Incarnation at_work{};
    enum class Stage : std::uint8_t { serving, building, retiring, broken } stage = Stage::building;
    SchedulerActor scheduler{};
    caf::mailbox_element_ptr dismissal{};  ///< what ends it, made before it
    std::deque<caf::actor_clock::time_point> restarts{};
    std::size_t failed_builds = 0;     ///< since it served
    std::shared_ptr<Growth> growth{};  ///< of which it is a part, until that is whole
    std::shared_ptr<Departure> departure{};
    std::shared_ptr<ReplicaCounters> counters{};
  };
  RouterActor router;
  std::shared_ptr<Builder> builder;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<ReplicaBoard> board;
  Log log;
  RestartLimit limit;
  Order pattern;           ///< of replicas to come: the first one's
  bool replacing = false;  ///< from when it is asked for until the last that is replaced has ended
  std::optional<Succession> succession;
  std::map<std::uint32_t, Replica> replicas;
  std::uint32_t next_number = 0;
  Epoch last_epoch = 0;

  SupervisorState() = default;
  SupervisorState(const SupervisorState&) = delete;
  SupervisorState& operator=(const SupervisorState&) = delete;
  ~SupervisorState();  ///< however the supervisor ends, its schedulers end
};

/// The root of a model's actors, and owner of what is at work: for each replica {graph, executors} of an epoch. Links
/// itself to the router, starts a scheduler for each replica (which starts its stages, they their members) and watches
/// them. A replica that dies is aborted and made again, at an epoch of its own, by the builder; one that dies too often
/// is given up. Adds replicas, takes them away, and has others in their place: one such change at a time. When it ends,
/// all of them end.
[[nodiscard]] SupervisorActor::behavior_type supervisor(SupervisorActor::stateful_pointer<SupervisorState> self,
                                                        RouterActor router, std::vector<Incarnation> replicas,
                                                        std::shared_ptr<Builder> builder,
                                                        std::shared_ptr<const Tokenizer> tokenizer,
                                                        std::shared_ptr<ReplicaBoard> board, Log log,
                                                        RestartLimit limit = {});

}  // namespace troupe::actors
