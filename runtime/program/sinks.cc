#include "runtime/program/sinks.hpp"

#include <utility>

namespace troupe {

LogitsSinks::Entry::Entry(std::shared_ptr<LogitsSinks> table, SequenceId sequence, const LogitsSink& sink)
    : table_(std::move(table)), sequence_(sequence), seat_(std::make_shared<Seat>()) {
  seat_->sink = &sink;
  const std::lock_guard lock(table_->mutex_);
  table_->seats_.emplace(sequence, seat_);
}

LogitsSinks::Entry::~Entry() {
  {
    const std::lock_guard lock(table_->mutex_);
    table_->seats_.erase(sequence_);
  }
  const std::lock_guard lock(seat_->mutex);
  seat_->sink = nullptr;
}

void LogitsSinks::give(SequenceId sequence, std::uint32_t position, std::span<const float> logits) const {
  std::shared_ptr<Seat> seat;
  {
    const std::lock_guard lock(mutex_);
    const auto found = seats_.find(sequence);
    if (found == seats_.end()) return;
    seat = found->second;
  }
  const std::lock_guard lock(seat->mutex);
  if (position < seat->next) return;
  seat->next = position + 1;
  const LogitsSink* const sink = std::exchange(seat->sink, nullptr);  // one that throws is not called again
  if (sink == nullptr) return;
  (*sink)(position, logits);
  seat->sink = sink;
}

}  // namespace troupe
