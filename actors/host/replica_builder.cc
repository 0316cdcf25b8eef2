#include "actors/host/replica_builder.hpp"

#include <algorithm>
#include <map>
#include <new>
#include <utility>

#include "actors/control.hpp"
#include "kernels/floating_point.hpp"
#include "kernels/kv_layout.hpp"

namespace troupe::host {
namespace {

/// Waits for the steps that its executors run.
void halt(const MadeReplica& replica) {
  for (const auto& executor : replica.executors) executor->abort({Code::aborted, "replica retired"});
  for (const auto& executor : replica.executors) executor->halt();
}

/// Of its shards.
std::vector<HeldKv*> held_kv(const MadeReplica& replica) {
  std::vector<HeldKv*> all;
  for (const auto& executor : replica.executors) {
    if (HeldKv* const kv = executor->kv()) all.push_back(kv);
  }
  return all;
}

/// Streams wait while blocks are copied, and old and new ones are in memory at once: of what nobody holds, so many.
std::size_t unheld_blocks(const std::vector<HeldKv*>& shards) {
  constexpr std::size_t bytes = std::size_t{256} << 20;
  std::map<std::uint32_t, std::size_t> of_block;  // by group
  for (const HeldKv* const shard : shards) {
    for (const KvPlace& place : shard->places()) {
      of_block[place.group] += place.heads.size() * kernels::kv_head_bytes(place.head_dim);
    }
  }
  std::size_t largest = 1;
  for (const auto& [group, each] : of_block) largest = std::max(largest, each);
  return bytes / largest;
}

}  // namespace

ReplicaBuilder::ReplicaBuilder(std::unique_ptr<Workshop> workshop, std::vector<MadeReplica> made)
    : workshop_(std::move(workshop)), settings_(made.at(0).blueprint.settings) {
  for (MadeReplica& replica : made) {
    const Epoch epoch = replica.epoch;
    made_.emplace(epoch, std::move(replica));
  }
  thread_ = start_thread(
      "troupe.build", [this] { work(); }, workshop_.get());
}

Result<std::vector<Order>> ReplicaBuilder::orders_of(const Graph& graph) const {
  return workshop_->orders_of(graph, settings_);
}

void ReplicaBuilder::build(Order order, Epoch instead_of, std::function<void(Result<actors::ReplicaPlan>)> done) {
  ask([this, order = std::move(order), instead_of, done = std::move(done)] { done(make(order, instead_of)); });
}

void ReplicaBuilder::carry_over(std::vector<actors::Legacy> legacies, std::function<void()> done) {
  const auto job = [this, legacies = std::move(legacies), done = std::move(done)] {
    for (const actors::Legacy& legacy : legacies) carry(legacy);
    done();
  };
  ask(job, Place::first);  // nobody serves meanwhile, and what it names has been made
}

void ReplicaBuilder::retire(Epoch epoch, std::function<void()> done) {
  ask([this, epoch, done = std::move(done)] {
    (void)end(epoch);
    done();
  });
}

void ReplicaBuilder::ask(std::function<void()> job, Place place) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.insert(place == Place::first ? jobs_.begin() : jobs_.end(), std::move(job));
  }
  changed_.notify_one();
}

void ReplicaBuilder::work() {
  kernels::set_floating_point_mode();
  for (;;) {
    std::function<void()> job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return closing_ || !jobs_.empty(); });
      if (closing_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

/// Threads take memory of which the C library does not say that it is wanting: it ends the process. Throws
/// std::bad_alloc where there is no room for that.
void ReplicaBuilder::check_room() {
  constexpr std::size_t room = std::size_t{1} << 20;
  ::operator delete(::operator new(room));
}

/// The weights of what is to come are held before what has been is ended, so that those which stay are not packed anew.
Result<actors::ReplicaPlan> ReplicaBuilder::make(const Order& order, Epoch instead_of) {
  try {
    check_room();
    const std::function<void(double)> until_closed = [this](double) {
      if (closing_) throw Error(Code::aborted, "model closed");
    };
    Progress progress(until_closed);
    const auto plots = workshop_->prepare({order}, progress);
    std::shared_ptr<const CoreLedger::Lease> cores = end(instead_of);
    if (!plots) {
      made_[order.epoch].cores = std::move(cores);  // for the next attempt
      return plots.error();
    }
    if (cores == nullptr) {
      if (auto fits = fits_beside_others((*plots)[0].blueprint); !fits) return fits.error();
      cores = workshop_->enter(*plots)[0];
    }
    MadeReplica& place = made_[order.epoch];
    place.cores = cores;
    auto made = workshop_->make((*plots)[0], std::move(cores));
    if (!made) return made.error();
    place = std::move(*made);
    return place.plan;
  } catch (const std::bad_alloc&) {
    return Error(Code::out_of_memory, "out of memory");  // short: takes none
  }
}

Result<void> ReplicaBuilder::fits_beside_others(const Blueprint& to_come) const {
  std::vector<const Blueprint*> at_work;
  for (const auto& [epoch, replica] : made_) at_work.push_back(&replica.blueprint);
  return workshop_->check_memory(at_work, to_come);
}

/// What was carried over in part only would be taken for whole: then the heir begins with nothing.
void ReplicaBuilder::carry(const actors::Legacy& legacy) {
  const auto old = made_.find(legacy.of), heir = made_.find(legacy.to);
  if (old == made_.end() || heir == made_.end()) return;
  halt(old->second);
  actors::ReplicaPlan& plan = heir->second.plan;
  std::shared_ptr<KvPool> nothing;
  bool whole = false;
  try {
    nothing = make_pool(plan.limits);
    const std::vector<HeldKv*> from = held_kv(old->second), to = held_kv(heir->second);
    const std::vector<KvMove> moves = plan.pool->take_over(*old->second.plan.pool, unheld_blocks(to));
    whole = move_kv(from, to, moves).ok();
  } catch (const std::bad_alloc&) {
  }
  if (!whole && nothing != nullptr) *plan.pool = std::move(*nothing);
}

/// Returns the cores that it had.
std::shared_ptr<const CoreLedger::Lease> ReplicaBuilder::end(Epoch epoch) {
  const auto found = made_.find(epoch);
  if (found == made_.end()) return nullptr;
  halt(found->second);
  for (const auto& executor : found->second.executors) executor->stop();
  auto cores = std::move(found->second.cores);
  made_.erase(found);
  return cores;
}

void ReplicaBuilder::close() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_one();
  thread_.join();
  for (const auto& [epoch, replica] : made_) {
    for (const auto& executor : replica.executors) executor->abort({Code::aborted, "model closed"});  // takes no memory
  }
  for (const auto& [epoch, replica] : made_) {
    for (const auto& executor : replica.executors) executor->stop();
  }
  made_.clear();
  jobs_.clear();
}

}  // namespace troupe::host
