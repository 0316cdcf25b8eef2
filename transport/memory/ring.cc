#include "transport/memory/ring.hpp"

#include <utility>

namespace troupe::transport {

Ring::Ring(const ChannelSpec& spec)
    : slot_bytes_(spec.slot_bytes),
      no_sender_(Code::aborted, "channel " + spec.name + ": its sender is gone"),
      no_receiver_(Code::aborted, "channel " + spec.name + ": its receiver is gone") {
  for (std::size_t i = 0; i < spec.slots; ++i) slots_.emplace_back(spec.slot_bytes);
}

Result<void> Ring::send(Tensor tensor, WaitPolicy policy, Deadline deadline) {
  if (aborted_.raised()) return aborted_.error();
  if (auto fits = check_fits(tensor, slot_bytes_); !fits) return abort(fits.error());
  const std::uint64_t before = sent_.value();
  if (before >= slots_.size())
    if (auto room = received_.wait_until(before - slots_.size() + 1, policy, deadline, aborted_,
                                         "a full channel had room to send");
        !room)
      return abort(room.error());
  Slot& slot = slots_[before % slots_.size()];
  slot.shape = tensor;
  copy(tensor, packed(tensor, slot.lines.front().bytes));
  sent_.advance();
  return {};
}

Result<void> Ring::receive(Tensor tensor, WaitPolicy policy, Deadline deadline) {
  if (aborted_.raised()) return aborted_.error();
  const std::uint64_t before = received_.value();
  if (auto arrived =
          sent_.wait_until(before + 1, policy, deadline, drained_, "an empty channel had a tensor to receive");
      !arrived)
    return abort(arrived.error());
  Slot& slot = slots_[before % slots_.size()];
  if (auto same = check_same(slot.shape, tensor); !same) return abort(same.error());
  copy(packed(tensor, slot.lines.front().bytes), tensor);
  received_.advance();
  return {};
}

Error Ring::abort(Error why) {
  aborted_.raise(why);
  drained_.raise(std::move(why));
  sent_.interrupt();
  received_.interrupt();
  return aborted_.error();
}

void Ring::end_of_sender() {
  drained_.raise(std::move(no_sender_));
  sent_.interrupt();
}

void Ring::end_of_receiver() {
  aborted_.raise(std::move(no_receiver_));
  received_.interrupt();
}

namespace {

class RingSender final : public Sender {
 public:
  RingSender(std::shared_ptr<Ring> ring, WaitPolicy policy) : ring_(std::move(ring)), policy_(policy) {}
  ~RingSender() override { ring_->end_of_sender(); }
  [[nodiscard]] Result<void> send(Tensor tensor, Deadline deadline) override {
    return ring_->send(tensor, policy_, deadline);
  }
  void abort(Error why) override { ring_->abort(std::move(why)); }

 private:
  std::shared_ptr<Ring> ring_;
  WaitPolicy policy_;
};

class RingReceiver final : public Receiver {
 public:
  RingReceiver(std::shared_ptr<Ring> ring, WaitPolicy policy) : ring_(std::move(ring)), policy_(policy) {}
  ~RingReceiver() override { ring_->end_of_receiver(); }
  [[nodiscard]] Result<void> receive(Tensor tensor, Deadline deadline) override {
    return ring_->receive(tensor, policy_, deadline);
  }
  void abort(Error why) override { ring_->abort(std::move(why)); }

 private:
  std::shared_ptr<Ring> ring_;
  WaitPolicy policy_;
};

}  // namespace

std::unique_ptr<Sender> make_ring_sender(std::shared_ptr<Ring> ring, WaitPolicy policy) {
  return std::make_unique<RingSender>(std::move(ring), policy);
}

std::unique_ptr<Receiver> make_ring_receiver(std::shared_ptr<Ring> ring, WaitPolicy policy) {
  return std::make_unique<RingReceiver>(std::move(ring), policy);
}

}  // namespace troupe::transport
