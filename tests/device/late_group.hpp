#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "transport/collective/communicator.hpp"

namespace troupe::testing {

/// A rank's end of a group whose collectives another thread does, later. They work on copies: from the beginning to the
/// end of one, its tensors are poisoned, so that who touches them meanwhile is found out, always.
class LateGroup : public transport::Communicator, private transport::Event::Source {
 public:
  LateGroup(std::shared_ptr<transport::Communicator> group, std::uint64_t seed);
  ~LateGroup() override;
  [[nodiscard]] int rank() const override { return group_->rank(); }
  [[nodiscard]] int size() const override { return group_->size(); }
  Result<transport::Event> all_reduce(transport::Tensor partial, transport::Tensor sum,
                                      transport::Deadline deadline) override;
  Result<transport::Event> reduce_scatter(transport::Tensor partial, transport::Tensor sum,
                                          transport::Deadline deadline) override;
  Result<transport::Event> all_gather(transport::Tensor in, transport::Tensor out,
                                      transport::Deadline deadline) override;
  Result<transport::Event> all_to_all(transport::Tensor in, std::span<const std::size_t> gives, transport::Tensor out,
                                      std::span<const std::size_t> takes, transport::Deadline deadline) override;
  Result<transport::Event> broadcast(transport::Tensor tensor, int root, transport::Deadline deadline) override;
  void abort(Error why) override { group_->abort(std::move(why)); }

 private:
  struct Transfer {
    std::function<Result<void>()> work;
    transport::Tensor staged, target;  ///< what it comes to, and where that goes when it is awaited
    std::vector<std::byte> in, out;    ///< the memory of the copies
    bool held = false;                 ///< not begun before it is awaited
    std::optional<Result<void>> done{};
  };

  using Collective = Result<transport::Event> (Communicator::*)(transport::Tensor, transport::Tensor,
                                                                transport::Deadline);
  Result<transport::Event> later(Collective collective, transport::Tensor in, transport::Tensor out,
                                 transport::Deadline deadline);
  Transfer& stage(transport::Tensor in, transport::Tensor out);
  transport::Event enqueue(std::function<Result<void>()> work);
  Result<void> wait(std::uint64_t number, transport::Deadline deadline) override;
  void do_transfers();

  std::shared_ptr<transport::Communicator> group_;
  std::mt19937_64 random_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Transfer> transfers_;  ///< all that were begun
  std::size_t awaited_ = 0;         ///< how many of them, at least
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace troupe::testing
