#include "runtime/tiers/weight_stream.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

namespace troupe {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;  // of counts: nothing is read by them

}  // namespace

Result<std::unique_ptr<WeightStream>> WeightStream::create(std::shared_ptr<const Program> program,
                                                           std::shared_ptr<const StreamPlan> plan,
                                                           std::shared_ptr<UnitReader> reader,
                                                           std::span<LoadedWeight> weights,
                                                           std::shared_ptr<PrefetchCounts> counts) {
  auto memory = Buffer::allocate(StreamPlan::buffers * plan->buffer_bytes, "buffers of weights");
  if (!memory) return memory.error();
  std::memset(memory->data(), 0,
              StreamPlan::buffers * plan->buffer_bytes);  // present from the start, as all that is promised
  auto stream = std::unique_ptr<WeightStream>(new WeightStream(std::move(program), std::move(plan), std::move(reader),
                                                               weights, std::move(*memory), std::move(counts)));
  if (auto begun = stream->read_ahead(0, {}); !begun) return begun.error();
  return stream;
}

WeightStream::WeightStream(std::shared_ptr<const Program> program, std::shared_ptr<const StreamPlan> plan,
                           std::shared_ptr<UnitReader> reader, std::span<LoadedWeight> weights, Buffer memory,
                           std::shared_ptr<PrefetchCounts> counts)
    : program_(std::move(program)),
      plan_(std::move(plan)),
      weights_(weights),
      counts_(std::move(counts)),
      memory_(std::move(memory)),
      reader_(std::move(reader)) {}

Result<void> WeightStream::await(std::size_t unit, transport::Deadline deadline) {
  const std::uint64_t number = step_ + unit;
  used_to_ = number;
  if (auto begun = read_ahead(number, deadline); !begun) return begun;
  return wait(number, deadline);
}

void WeightStream::end_step() {
  if (used_to_ == step_) return;  // it came to none, or to no other than the first
  step_ += plan_->layers.size();
  if (begun_to_ > used_to_ + 1) counts_->wasted.fetch_add(std::min(begun_to_, step_) - used_to_ - 1, relaxed);
  used_to_ = step_;
  (void)read_ahead(step_, {.patience = {}});  // what stands in the way is told to who awaits it
}

/// Begins all reads for which there is a buffer, now that nobody uses what comes before `from`.
Result<void> WeightStream::read_ahead(std::uint64_t from, transport::Deadline deadline) {
  for (begun_to_ = std::max(begun_to_, from); begun_to_ < from + StreamPlan::buffers; ++begun_to_) {
    // Something is under way there where a step broke, and has gone past it: how it ends is nobody's business.
    const std::size_t place = begun_to_ % StreamPlan::buffers;
    const auto ended = reader_->wait(place, deadline.patience);
    if (!reader_->ready(place)) return ended;
    if (auto begun = begin(begun_to_); !begun) return begun;
  }
  return {};
}

/// Where its weights will lie is nobody's business before it is awaited.
Result<void> WeightStream::begin(std::uint64_t number) {
  const std::size_t unit = number % plan_->layers.size(), place = number % StreamPlan::buffers;
  std::byte* at = memory_.data() + place * plan_->buffer_bytes;
  const std::uint64_t bytes = whole_pages(plan_->layers[unit].bytes);
  if (auto begun = reader_->begin(place, unit, {at, bytes}); !begun) return begun;
  for (const WeightId id : plan_->layers[unit].weights) {
    weights_[id].matrix.data = at;
    at += weight_bytes(program_->weights[id]);
  }
  counts_->reads.fetch_add(1, relaxed);
  counts_->bytes.fetch_add(bytes, relaxed);
  return {};
}

Result<void> WeightStream::wait(std::uint64_t number, transport::Deadline deadline) {
  const std::size_t place = number % StreamPlan::buffers;
  if (reader_->ready(place)) return reader_->wait(place, {});
  const auto begin = transport::Clock::now();
  auto came = reader_->wait(place, deadline.patience);
  const auto end = transport::Clock::now();
  if (deadline.witness != nullptr) deadline.witness->waited(begin, end);
  counts_->late.fetch_add(1, relaxed);
  counts_->waited.fetch_add(static_cast<std::uint64_t>(std::chrono::nanoseconds(end - begin).count()), relaxed);
  return came;
}

}  // namespace troupe
