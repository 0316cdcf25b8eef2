#include "transport/memory/meeting.hpp"

#include <algorithm>
#include <utility>

namespace troupe::transport {
namespace {

constexpr std::uint64_t closed = ~std::uint64_t{0};  // a verdict of the gate, above every phase

bool is_staged(const Offer& offer) { return offer.in.bytes() <= Meeting::staged_bytes; }

/// Whether the others read what `rank` brings.
bool gives(const Offer& offer, std::size_t rank) {
  return offer.operation != Operation::broadcast || static_cast<std::size_t>(offer.root) == rank;
}

}  // namespace

/// Counts have their room, so that meeting needs no memory.
Meeting::Meeting(const GroupSpec& spec) : seats_(static_cast<std::size_t>(spec.size)) {
  for (Seat& seat : seats_) {
    for (Slot& slot : seat.slots) slot.counts.reserve(2 * seats_.size());
  }
}

Result<void> Meeting::meet(Place& place, const Offer& mine, Deadline deadline) {
  if (aborted_.raised()) return aborted_.error();
  if (auto valid = check(mine, size()); !valid) return fail(valid.error());
  lay_down(place, mine);
  if (auto met = wait_for_all(place, mine.operation, deadline); !met) return met;

  place.offers.clear();
  for (const Seat& seat : seats_) place.offers.push_back(seat.slots[place.phase % 2].offer);
  place.offers[place.rank].in = mine.in;  // nearer than the copy that the others read
  if (auto agreed = agree(place.offers); !agreed) return fail(agreed.error());
  place.direct = !std::all_of(place.offers.begin(), place.offers.end(), is_staged);
  if (place.direct && decide(place.phase, place.phase) == closed) return aborted_.error();
  return {};
}

void Meeting::lay_down(Place& place, const Offer& mine) {
  Seat& seat = seats_[place.rank];
  ++place.phase;
  Slot& slot = seat.slots[place.phase % 2];
  slot.offer = mine;
  slot.counts.assign(mine.gives.begin(), mine.gives.end());
  slot.counts.insert(slot.counts.end(), mine.takes.begin(), mine.takes.end());
  slot.offer.gives = std::span(slot.counts).first(mine.gives.size());
  slot.offer.takes = std::span(slot.counts).last(mine.takes.size());
  if (is_staged(mine) && gives(mine, place.rank)) {
    slot.offer.in = packed(mine.in, slot.staging);
    copy(mine.in, slot.offer.in);
  }
  seat.arrived.advance();
}

Result<void> Meeting::wait_for_all(const Place& place, Operation operation, Deadline deadline) {
  for (Seat& seat : seats_) {
    const auto arrived = seat.arrived.wait_until(place.phase, place.policy, deadline, aborted_, name_of(operation));
    if (arrived) continue;
    const std::vector<std::size_t> late = missing(place.phase);
    if (late.empty()) break;
    fail(too_late(operation, size(), late));  // an earlier error prevails
    // Another rank may have seen everyone arrive and be at work in the memory of this one: then it must stay.
    if (decide(place.phase, closed) == closed) return aborted_.error();
    break;
  }
  return {};
}

void Meeting::part(Place& place) {
  if (!place.direct) return;
  ++place.phase;
  seats_[place.rank].arrived.advance();
  // All are past the gate and only have to finish, so this wait is short, and leaving it early would not be safe.
  const AbortFlag never;
  for (Seat& seat : seats_)
    (void)seat.arrived.wait_until(place.phase, place.policy, Deadline{}, never, "the end of a collective");
}

std::uint64_t Meeting::decide(std::uint64_t phase, std::uint64_t verdict) {
  // Acquires what who decided has written, and releases what this rank has.
  std::uint64_t current = gate_.load(std::memory_order_acquire);
  while (current < phase)
    if (gate_.compare_exchange_weak(current, verdict, std::memory_order_acq_rel, std::memory_order_acquire))
      return verdict;
  return current;
}

std::vector<std::size_t> Meeting::missing(std::uint64_t phase) const {
  std::vector<std::size_t> ranks;
  for (std::size_t rank = 0; rank < seats_.size(); ++rank)
    if (seats_[rank].arrived.value() < phase) ranks.push_back(rank);
  return ranks;
}

Error Meeting::fail(Error why) {
  end(std::move(why));
  return aborted_.error();
}

void Meeting::end(Error gone) {
  aborted_.raise(std::move(gone));
  for (Seat& seat : seats_) seat.arrived.interrupt();
}

}  // namespace troupe::transport
