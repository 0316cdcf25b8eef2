#include "runtime/tiers/expert_cache.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <utility>

namespace troupe {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;  // of counts: nothing is read by them

constexpr float newest = 0.1F;   ///< what the latest step counts in a mean over steps
constexpr float seldom = 0.01F;  ///< nothing is taken to be used less

}  // namespace

Result<std::unique_ptr<ExpertCache>> ExpertCache::create(std::shared_ptr<const Program> program,
                                                         std::shared_ptr<const StreamPlan> plan,
                                                         std::shared_ptr<UnitReader> reader,
                                                         std::span<LoadedWeight> weights,
                                                         std::shared_ptr<PrefetchCounts> counts) {
  const std::uint64_t bytes = plan->slots * plan->slot_bytes;
  auto memory = Buffer::allocate(bytes, "room for experts");
  if (!memory) return memory.error();
  std::memset(memory->data(), 0, bytes);  // present from the start, as all that is promised
  return std::unique_ptr<ExpertCache>(new ExpertCache(std::move(program), std::move(plan), std::move(reader), weights,
                                                      std::move(*memory), std::move(counts)));
}

ExpertCache::ExpertCache(std::shared_ptr<const Program> program, std::shared_ptr<const StreamPlan> plan,
                         std::shared_ptr<UnitReader> reader, std::span<LoadedWeight> weights, Buffer memory,
                         std::shared_ptr<PrefetchCounts> counts)
    : program_(std::move(program)),
      plan_(std::move(plan)),
      weights_(weights),
      counts_(std::move(counts)),
      experts_(plan_->experts.size()),
      slots_(plan_->slots),
      places_(StreamPlan::expert_reads, none),
      memory_(std::move(memory)),
      reader_(std::move(reader)) {
  for (std::uint32_t i = 0; i < experts_.size(); ++i) {
    if (i == 0 || plan_->experts[i].layer != plan_->experts[i - 1].layer) layers_.push_back(i);
    experts_[i].layer = static_cast<std::uint32_t>(layers_.size() - 1);
  }
  layers_.push_back(static_cast<std::uint32_t>(experts_.size()));
}

Result<void> ExpertCache::await(std::uint32_t model_layer, std::span<const std::uint32_t> rows,
                                transport::Deadline deadline) {
  std::uint32_t layer = 0;
  while (layer + 1 < layers_.size() && plan_->experts[layers_[layer]].layer != model_layer) ++layer;
  if (layer + 1 == layers_.size()) return {};  // this one's are in memory
  const std::uint32_t first = layers_[layer], last = layers_[layer + 1];
  const auto needed = [&](std::uint32_t expert) { return rows[expert - first + 1] > rows[expert - first]; };
  for (Slot& slot : slots_) slot.pinned = slot.expert >= first && slot.expert < last && needed(slot.expert);
  for (std::uint32_t e = first; e < last; ++e) {
    Expert& expert = experts_[e];
    expert.used += newest * (static_cast<float>(needed(e)) - expert.used);
    expert.last = needed(e);
    if (!needed(e)) continue;
    if (expert.slot != none) {
      (expert.foreseen ? counts_->foreseen : counts_->hits).fetch_add(1, relaxed);
      expert.foreseen = false;
      continue;
    }
    counts_->misses.fetch_add(1, relaxed);
    const std::uint32_t slot = slot_for(layer);
    slots_[slot].pinned = true;
    if (auto begun = read(e, slot, deadline); !begun) return begun;
  }
  for (std::uint32_t e = first; e < last; ++e) {
    if (!needed(e)) continue;
    if (auto came = finish(experts_[e].slot, deadline); !came) return came;
  }
  return foresee((layer + 1) % static_cast<std::uint32_t>(layers_.size() - 1));
}

/// In how many layers' time rows go to it, as far as can be foreseen: at its layer's next turn, or at a later one where
/// it is not used in every step.
double ExpertCache::due(const Expert& expert, std::uint32_t layer) const {
  const auto layers = static_cast<std::uint32_t>(layers_.size() - 1);
  const std::uint32_t turn = (expert.layer + layers - layer - 1) % layers;
  return turn + layers * (1.0 / std::max(expert.used, seldom) - 1.0);
}

/// A slot that is free, or whose expert is due last. There are more than a layer has experts, and reads under way.
std::uint32_t ExpertCache::slot_for(std::uint32_t layer) const {
  std::uint32_t best = none;
  double latest = -1;
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (slot.pinned || slot.place != none) continue;
    const double when =
        slot.expert == none ? std::numeric_limits<double>::infinity() : due(experts_[slot.expert], layer);
    if (when <= latest) continue;
    latest = when;
    best = i;
  }
  return best;
}

void ExpertCache::forget(std::uint32_t slot) {
  const std::uint32_t expert = std::exchange(slots_[slot].expert, none);
  if (expert == none) return;
  if (std::exchange(experts_[expert].foreseen, false)) counts_->wasted.fetch_add(1, relaxed);
  experts_[expert].slot = none;
}

Result<void> ExpertCache::read(std::uint32_t e, std::uint32_t slot, transport::Deadline deadline) {
  const auto place = free_place(deadline);
  if (!place) return place.error();
  forget(slot);
  std::byte* at = memory_.data() + slot * plan_->slot_bytes;
  const std::uint64_t bytes = whole_pages(plan_->experts[e].bytes);
  if (auto begun = reader_->begin(StreamPlan::buffers + *place, plan_->layers.size() + e, {at, bytes}); !begun)
    return begun;
  for (const WeightId id : plan_->experts[e].weights) {
    weights_[id].matrix.data = at;
    at += weight_bytes(program_->weights[id]);
  }
  slots_[slot].expert = e;
  slots_[slot].place = *place;
  places_[*place] = slot;
  experts_[e].slot = slot;
  counts_->reads.fetch_add(1, relaxed);
  counts_->bytes.fetch_add(bytes, relaxed);
  return {};
}

/// Of the reader: one where nothing is under way, waited for where there is none.
Result<std::uint32_t> ExpertCache::free_place(transport::Deadline deadline) {
  for (std::uint32_t place = 0; place < places_.size(); ++place) {
    if (places_[place] == none) return place;
    if (!reader_->ready(StreamPlan::buffers + place)) continue;
    if (auto freed = free(place, deadline); !freed) return freed.error();
    return place;
  }
  if (auto freed = free(0, deadline); !freed) return freed.error();
  return 0U;
}

/// Where what was only foreseen has failed to come, that is forgotten.
Result<void> ExpertCache::free(std::uint32_t place, transport::Deadline deadline) {
  const std::uint32_t slot = places_[place];
  auto came = finish(slot, deadline);
  const bool matters = slots_[slot].pinned || slots_[slot].place != none;
  return matters ? came : Result<void>();
}

/// Returns when nothing is read into a slot any more. Where that fails its expert is not there.
Result<void> ExpertCache::finish(std::uint32_t at, transport::Deadline deadline) {
  Slot& slot = slots_[at];
  if (slot.place == none) return {};
  const std::size_t place = StreamPlan::buffers + slot.place;
  const bool late = !reader_->ready(place);
  const auto begin = transport::Clock::now();
  auto came = reader_->wait(place, deadline.patience);
  const auto end = transport::Clock::now();
  if (late) {
    if (deadline.witness != nullptr) deadline.witness->waited(begin, end);
    counts_->late.fetch_add(1, relaxed);
    counts_->waited.fetch_add(static_cast<std::uint64_t>(std::chrono::nanoseconds(end - begin).count()), relaxed);
  }
  if (!came && !reader_->ready(place)) return came;  // it is still under way
  places_[slot.place] = none;
  slot.place = none;
  if (!came) forget(at);
  return came;
}

/// Begins to read those of a layer that rows went to in the last step, as far as reads and slots are free at once.
Result<void> ExpertCache::foresee(std::uint32_t layer) {
  for (std::uint32_t e = layers_[layer]; e < layers_[layer + 1]; ++e) {
    if (!experts_[e].last || experts_[e].slot != none) continue;
    const bool busy = std::ranges::none_of(places_, [&](const std::uint32_t& slot) {
      return slot == none || reader_->ready(StreamPlan::buffers + static_cast<std::size_t>(&slot - places_.data()));
    });
    if (busy) return {};
    const std::uint32_t now = layer == 0 ? static_cast<std::uint32_t>(layers_.size() - 2) : layer - 1;
    const std::uint32_t slot = slot_for(now);
    if (slot == none) return {};
    const std::uint32_t there = slots_[slot].expert;
    if (there != none && due(experts_[there], now) <= due(experts_[e], now)) return {};
    if (auto begun = read(e, slot, {}); !begun) return begun;
    experts_[e].foreseen = true;
  }
  return {};
}

}  // namespace troupe
