#include "runtime/c/stats.hpp"

#include <algorithm>

#include "runtime/c/boundary.hpp"
#include "runtime/c/handles.hpp"
#include "runtime/c/sized.hpp"

namespace troupe::c {
namespace {

static_assert(static_cast<int>(ReplicaState::serving) == TROUPE_REPLICA_SERVING);
static_assert(static_cast<int>(ReplicaState::restarting) == TROUPE_REPLICA_RESTARTING);
static_assert(static_cast<int>(ReplicaState::draining) == TROUPE_REPLICA_DRAINING);
static_assert(static_cast<int>(ReplicaState::broken) == TROUPE_REPLICA_BROKEN);

troupe_replica_stats replica_of(const ReplicaStats& from) {
  return {.size = sizeof(troupe_replica_stats),
          .number = from.number,
          .state = static_cast<std::int32_t>(from.state),
          .queued = from.queued,
          .running = from.running,
          .kv_blocks = from.kv_blocks,
          .kv_used = from.kv_used,
          .kv_cached = from.kv_cached,
          .restarts = from.restarts,
          .preempted = from.preempted,
          .reserved = 0};
}

}  // namespace

troupe_stats stats_of(const Stats& from) {
  return {.size = sizeof(troupe_stats),
          .requests = from.requests,
          .finished = from.finished,
          .failed = from.failed,
          .prompt_tokens = from.prompt_tokens,
          .cached_tokens = from.cached_tokens,
          .generated_tokens = from.generated_tokens,
          .tokens_per_second = from.tokens_per_second,
          .hit_rate = from.hit_rate(),
          .queued = from.queued,
          .running = from.running,
          .disk_reads = from.prefetch.reads,
          .disk_bytes = from.prefetch.bytes,
          .disk_late = from.prefetch.late,
          .disk_wasted = from.prefetch.wasted,
          .disk_mended = from.prefetch.mended,
          .disk_waited_ns = static_cast<std::uint64_t>(from.prefetch.waited.count()),
          .expert_hits = from.prefetch.hits,
          .expert_foreseen = from.prefetch.foreseen,
          .expert_misses = from.prefetch.misses};
}

}  // namespace troupe::c

using namespace troupe;
using namespace troupe::c;

void troupe_stats_default(troupe_stats* stats, size_t size) { write(stats, size, troupe_stats{}); }

troupe_status troupe_model_stats(const troupe_model* model, troupe_stats* stats, troupe_error* error) {
  return guarded(error, [&] { fill(stats, "stats", stats_of(needed(model, "model").model.stats())); });
}

troupe_status troupe_model_replicas(const troupe_model* model, troupe_replica_visitor visit, void* user,
                                    troupe_error* error) {
  return guarded(error, [&] {
    auto& visitor = needed(visit, "visit");
    for (const ReplicaStats& replica : needed(model, "model").model.stats().replicas) {
      const troupe_replica_stats told = replica_of(replica);
      visitor(user, &told);
    }
  });
}

troupe_status troupe_model_experts(const troupe_model* model, troupe_expert_visitor visit, void* user,
                                   troupe_error* error) {
  return guarded(error, [&] {
    auto& visitor = needed(visit, "visit");
    for (const ExpertLoad& layer : needed(model, "model").model.stats().experts) {
      const troupe_expert_load told{.size = sizeof(troupe_expert_load),
                                    .layer = layer.layer,
                                    .experts = static_cast<std::uint32_t>(layer.rows.size()),
                                    .rows = layer.rows.data(),
                                    .dropped = layer.dropped,
                                    .rerouted = layer.rerouted};
      visitor(user, &told);
    }
  });
}

troupe_status troupe_model_replicate(const troupe_model* model, uint32_t count, uint32_t* numbers,
                                     troupe_error* error) {
  return guarded(error, [&] {
    const auto made = needed(model, "model").model.replicate(count);
    if (numbers != nullptr) std::copy_n(made.begin(), std::min<std::size_t>(made.size(), count), numbers);
  });
}

troupe_status troupe_model_replace(const troupe_model* model, const char* graph, troupe_error* error) {
  return guarded(error, [&] { needed(model, "model").model.replace(parse_graph(&needed(graph, "graph"))); });
}

troupe_status troupe_model_drain(const troupe_model* model, uint32_t replica, troupe_error* error) {
  return guarded(error, [&] { needed(model, "model").model.drain(replica); });
}
