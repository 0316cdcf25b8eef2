#include "runtime/trace/ring.hpp"

#include <algorithm>
#include <bit>

namespace troupe::trace {
namespace {

using Words = std::array<std::uint64_t, 6>;

Words words_of(const Event& event) {
  const std::uint64_t layer = std::min(event.layer, no_layer);
  return {reinterpret_cast<std::uintptr_t>(event.name),
          static_cast<std::uint64_t>(event.begin),
          static_cast<std::uint64_t>(event.end),
          event.step,
          static_cast<std::uint64_t>(event.kind) | layer << 8 | std::uint64_t{event.epoch} << 32,
          event.rows | std::uint64_t{event.sequences} << 32};
}

Event event_of(const Words& words) {
  return {.name = reinterpret_cast<const char*>(static_cast<std::uintptr_t>(words[0])),
          .kind = static_cast<Kind>(words[4] & 0xff),
          .begin = static_cast<Time>(words[1]),
          .end = static_cast<Time>(words[2]),
          .layer = static_cast<std::uint32_t>(words[4] >> 8 & no_layer),
          .step = words[3],
          .epoch = static_cast<std::uint32_t>(words[4] >> 32),
          .rows = static_cast<std::uint32_t>(words[5]),
          .sequences = static_cast<std::uint32_t>(words[5] >> 32)};
}

}  // namespace

Ring::Ring(std::size_t events) : slots_(std::bit_ceil(events)) {}

// A reader that sees a word of event n (released behind the count of those before it) sees that count, n, as well, and
// so knows that the slot's earlier event is gone.
void Ring::push(const Event& event) {
  const std::uint64_t number = pushed_.load(std::memory_order_relaxed);
  Slot& slot = slots_[number & (slots_.size() - 1)];
  const Words words = words_of(event);
  for (std::size_t i = 0; i < words.size(); ++i) slot[i].store(words[i], std::memory_order_release);
  pushed_.store(number + 1, std::memory_order_release);
}

std::vector<Event> Ring::read(std::uint64_t& overwritten) const {
  const std::uint64_t end = pushed_.load(std::memory_order_acquire);
  const std::uint64_t begin = end > slots_.size() ? end - slots_.size() : 0;
  std::vector<Event> events;
  events.reserve(end - begin);
  for (std::uint64_t number = begin; number < end; ++number) {
    Words words;
    const Slot& slot = slots_[number & (slots_.size() - 1)];
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = slot[i].load(std::memory_order_acquire);
    events.push_back(event_of(words));
  }
  // One more than those that are counted may be on its way.
  const std::uint64_t behind = pushed_.load(std::memory_order_relaxed) + 1;
  const std::uint64_t whole = behind > slots_.size() ? std::max(begin, behind - slots_.size()) : begin;
  const std::uint64_t first = std::min(whole, end);
  events.erase(events.begin(), events.begin() + static_cast<std::ptrdiff_t>(first - begin));
  overwritten = first;
  return events;
}

}  // namespace troupe::trace
