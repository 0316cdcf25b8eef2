#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "transport/channel/channel.hpp"

namespace troupe::transport {
namespace {

struct alignas(64) Line {
  std::byte bytes[64];
};

struct Slot {
  explicit Slot(std::size_t bytes) : lines(bytes / sizeof(Line) + 1) {}
  std::vector<Line> lines;   // never resized: the receiver finds its way without waiting for what the sender wrote
  alignas(64) Tensor shape;  // of the tensor that lies in `lines`
};

class InProcess final : public Channel {
 public:
  InProcess(std::size_t slots, std::size_t slot_bytes, WaitPolicy policy) : slot_bytes_(slot_bytes), policy_(policy) {
    for (std::size_t i = 0; i < std::max<std::size_t>(slots, 1); ++i) slots_.emplace_back(slot_bytes);
  }

  [[nodiscard]] Result<Event> send(Queue& queue, Tensor tensor, Deadline deadline) override {
    if (aborted_.raised()) return aborted_.error();
    if (!well_formed(tensor) || tensor.bytes() > slot_bytes_) return fail(does_not_fit(tensor));
    const std::uint64_t before = sent_.value();
    if (before >= slots_.size())
      if (auto room = received_.wait_until(before - slots_.size() + 1, policy_, deadline, aborted_,
                                           "a full channel had room to send");
          !room)
        return fail(room.error());
    Slot& slot = slots_[before % slots_.size()];
    slot.shape = tensor;
    copy(tensor, packed(tensor, slot.lines.front().bytes));
    sent_.advance();
    return queue.record();
  }

  [[nodiscard]] Result<Event> receive(Queue& queue, Tensor tensor, Deadline deadline) override {
    if (aborted_.raised()) return aborted_.error();
    const std::uint64_t before = received_.value();
    if (auto arrived =
            sent_.wait_until(before + 1, policy_, deadline, aborted_, "an empty channel had a tensor to receive");
        !arrived)
      return fail(arrived.error());
    Slot& slot = slots_[before % slots_.size()];
    if (!well_formed(tensor) || !same_shape(tensor, slot.shape))
      return fail({Code::invalid_argument, "channel: " + describe(slot.shape) +
                                               " was sent, the receiver has room for " + describe(tensor) +
                                               "; they must be the same"});
    copy(packed(tensor, slot.lines.front().bytes), tensor);
    received_.advance();
    return queue.record();
  }

  void abort(Error why) override { fail(std::move(why)); }

 private:
  [[nodiscard]] Error does_not_fit(const Tensor& tensor) const {
    return {Code::invalid_argument, "channel: " + describe(tensor) + " is " + std::to_string(tensor.bytes()) +
                                        " bytes or malformed; a slot holds " + std::to_string(slot_bytes_) + " bytes"};
  }

  Error fail(Error why) {
    aborted_.raise(std::move(why));
    sent_.interrupt();
    received_.interrupt();
    return aborted_.error();
  }

  std::vector<Slot> slots_;
  std::size_t slot_bytes_;
  WaitPolicy policy_;
  AbortFlag aborted_;
  Counter sent_, received_;
};

}  // namespace

std::unique_ptr<Channel> make_in_process_channel(std::size_t slots, std::size_t slot_bytes, WaitPolicy policy) {
  return std::make_unique<InProcess>(slots, slot_bytes, policy);
}

}  // namespace troupe::transport
