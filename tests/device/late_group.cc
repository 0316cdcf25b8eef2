#include "tests/device/late_group.hpp"

#include <algorithm>
#include <utility>

namespace troupe::testing {
namespace {

using transport::Deadline;
using transport::Event;
using transport::Tensor;

void poison(const Tensor& tensor) {
  for (std::size_t row = 0; row < tensor.rows; ++row) {
    std::fill_n(tensor.data + row * tensor.stride * size_of(tensor.element), tensor.columns * size_of(tensor.element),
                std::byte{0xAB});
  }
}

Tensor staged(const Tensor& like, std::vector<std::byte>& memory) {
  memory.resize(like.bytes() + 64);
  const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
  return packed(like, memory.data() + (64 - address % 64) % 64);
}

}  // namespace

LateGroup::LateGroup(std::shared_ptr<transport::Communicator> group, std::uint64_t seed)
    : group_(std::move(group)), random_(seed), thread_([this] { do_transfers(); }) {}

LateGroup::~LateGroup() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Result<Event> LateGroup::all_reduce(Tensor partial, Tensor sum, Deadline deadline) {
  return later(&Communicator::all_reduce, partial, sum, deadline);
}

Result<Event> LateGroup::reduce_scatter(Tensor partial, Tensor sum, Deadline deadline) {
  return later(&Communicator::reduce_scatter, partial, sum, deadline);
}

Result<Event> LateGroup::all_gather(Tensor in, Tensor out, Deadline deadline) {
  return later(&Communicator::all_gather, in, out, deadline);
}

/// What takes one tensor and makes another.
Result<Event> LateGroup::later(Collective collective, Tensor in, Tensor out, Deadline deadline) {
  Transfer& transfer = stage(in, out);
  const Tensor mine = packed(in, staged(in, transfer.in).data), made = transfer.staged;
  return enqueue([this, collective, mine, made, patience = deadline.patience] {
    return transport::ended((group_.get()->*collective)(mine, made, {patience}), {patience});
  });
}

Result<Event> LateGroup::all_to_all(Tensor in, std::span<const std::size_t> gives, Tensor out,
                                    std::span<const std::size_t> takes, Deadline deadline) {
  Transfer& transfer = stage(in, out);
  const Tensor mine = packed(in, staged(in, transfer.in).data), theirs = transfer.staged;
  const std::vector<std::size_t> given(gives.begin(), gives.end()), taken(takes.begin(), takes.end());
  return enqueue([this, mine, theirs, given, taken, patience = deadline.patience] {
    return transport::ended(group_->all_to_all(mine, given, theirs, taken, {patience}), {patience});
  });
}

Result<Event> LateGroup::broadcast(Tensor tensor, int root, Deadline deadline) {
  Transfer& transfer = stage(tensor, tensor);
  copy(packed(tensor, staged(tensor, transfer.in).data), transfer.staged);
  const Tensor out = transfer.staged;
  return enqueue([this, out, root, patience = deadline.patience] {
    return transport::ended(group_->broadcast(out, root, {patience}), {patience});
  });
}

/// Copies what is read, and poisons it and what is written. An output without memory stays one.
LateGroup::Transfer& LateGroup::stage(Tensor in, Tensor out) {
  const std::lock_guard lock(mutex_);
  Transfer& transfer = transfers_.emplace_back();
  copy(in, staged(in, transfer.in));
  transfer.target = transfer.staged = out;
  if (out.data != nullptr) transfer.staged = staged(out, transfer.out);
  poison(in);
  if (out.data != nullptr) poison(out);
  return transfer;
}

Event LateGroup::enqueue(std::function<Result<void>()> work) {
  const std::lock_guard lock(mutex_);
  transfers_.back().work = std::move(work);
  transfers_.back().held = random_() % 2 == 0;
  changed_.notify_all();
  return {*this, transfers_.size() - 1};
}

Result<void> LateGroup::wait(std::uint64_t number, Deadline) {
  std::unique_lock lock(mutex_);
  awaited_ = std::max<std::size_t>(awaited_, number + 1);
  changed_.notify_all();
  Transfer& transfer = transfers_[number];
  changed_.wait(lock, [&] { return transfer.done.has_value(); });
  if (*transfer.done && transfer.target.data != nullptr) copy(transfer.staged, transfer.target);
  return *transfer.done;
}

void LateGroup::do_transfers() {
  std::unique_lock lock(mutex_);
  for (std::size_t next = 0;; ++next) {
    changed_.wait(lock, [&] {
      const bool begun = next < transfers_.size() && transfers_[next].work;
      return stopping_ || (begun && (!transfers_[next].held || awaited_ > next));
    });
    if (stopping_) return;
    Transfer& transfer = transfers_[next];  // stays where it is
    lock.unlock();
    auto done = transfer.work();
    lock.lock();
    transfer.done = std::move(done);
    changed_.notify_all();
  }
}

}  // namespace troupe::testing
