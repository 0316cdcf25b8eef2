#include "runtime/tiers/weight_stream.hpp"

#include <chrono>
#include <cstring>
#include <utility>

#include "runtime/program/own_thread.hpp"
#include "runtime/program/thrown.hpp"

namespace troupe {
namespace {

constexpr transport::Deadline no_deadline;
constexpr transport::WaitPolicy asleep{.spins = 0};
constexpr auto relaxed = std::memory_order_relaxed;  // of counts: nothing is read by them

}  // namespace

Result<std::unique_ptr<WeightStream>> WeightStream::create(std::shared_ptr<const Program> program,
                                                           std::shared_ptr<const StreamPlan> plan, ReadUnit read,
                                                           std::span<LoadedWeight> weights,
                                                           std::shared_ptr<PrefetchCounts> counts) {
  auto memory = Buffer::allocate(plan->bytes(), "buffers of weights");
  if (!memory) return memory.error();
  std::memset(memory->data(), 0, plan->bytes());  // present from the start, as all that is promised
  return std::unique_ptr<WeightStream>(new WeightStream(std::move(program), std::move(plan), std::move(read), weights,
                                                        std::move(*memory), std::move(counts)));
}

WeightStream::WeightStream(std::shared_ptr<const Program> program, std::shared_ptr<const StreamPlan> plan,
                           ReadUnit read, std::span<LoadedWeight> weights, Buffer memory,
                           std::shared_ptr<PrefetchCounts> counts)
    : program_(std::move(program)),
      plan_(std::move(plan)),
      read_(std::move(read)),
      weights_(weights),
      memory_(std::move(memory)),
      counts_(std::move(counts)),
      thread_(start_thread("troupe.fetch", [this] { run(); })) {}

WeightStream::~WeightStream() {
  ended_.raise({Code::aborted, "the shard ends"});
  given_up_.interrupt();
  thread_.join();
}

Result<void> WeightStream::await(std::uint32_t unit, transport::WaitPolicy policy, transport::Deadline deadline) {
  const std::uint64_t number = step_ + unit;
  begun_ = true;
  give_up_before(number);
  if (read_to_.value() > number) return {};
  const auto begin = std::chrono::steady_clock::now();
  auto came = read_to_.wait_until(number + 1, policy, deadline, failed_, "weights from disk");
  const std::chrono::nanoseconds waited = std::chrono::steady_clock::now() - begin;
  counts_->late.fetch_add(1, relaxed);
  counts_->waited.fetch_add(static_cast<std::uint64_t>(waited.count()), relaxed);
  return came;
}

void WeightStream::end_step() {
  if (!std::exchange(begun_, false)) return;
  step_ += plan_->units.size();
  give_up_before(step_);
}

void WeightStream::give_up_before(std::uint64_t number) {
  while (given_up_.value() < number) given_up_.advance();
}

void WeightStream::run() {
  for (std::uint64_t number = 0;; ++number) {
    const std::uint64_t others = StreamPlan::buffers - 1;  // that may be in use while this one is read
    const std::uint64_t free = number > others ? number - others : 0;
    if (!given_up_.wait_until(free, asleep, no_deadline, ended_, "a buffer") || ended_.raised()) return;
    if (given_up_.value() > number) {  // a step that broke has gone past it
      counts_->wasted.fetch_add(1, relaxed);
    } else if (const auto done = read(number); !done) {
      failed_.raise(done.error());
      return read_to_.interrupt();
    }
    read_to_.advance();
  }
}

/// Nobody looks at the unit's weights before it is counted in `read_to_`.
Result<void> WeightStream::read(std::uint64_t number) {
  const std::size_t unit = number % plan_->units.size();
  std::byte* const buffer = memory_.data() + number % StreamPlan::buffers * plan_->buffer_bytes;
  std::byte* at = buffer;
  for (const WeightId id : plan_->units[unit].weights) {
    weights_[id].matrix.data = at;
    at += weight_bytes(program_->weights[id]);
  }
  const std::uint64_t bytes = (plan_->units[unit].bytes + StreamPlan::page - 1) / StreamPlan::page * StreamPlan::page;
  try {
    if (auto done = read_(unit, {buffer, bytes}); !done) return done;
  } catch (...) {
    return error_of_thrown("reading weights");
  }
  counts_->reads.fetch_add(1, relaxed);
  counts_->bytes.fetch_add(bytes, relaxed);
  return {};
}

}  // namespace troupe
