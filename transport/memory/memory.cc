#include "transport/memory/memory.hpp"

#include "transport/directory.hpp"
#include "transport/memory/meeting.hpp"
#include "transport/memory/ring.hpp"

namespace troupe::transport {
namespace {

class Memory final : public Transport {
 public:
  [[nodiscard]] Result<std::unique_ptr<Sender>> make_sender(const ChannelSpec& spec, WaitPolicy policy) override {
    auto ring = join(spec, "sender");
    if (!ring) return ring.error();
    return make_ring_sender(std::move(*ring), policy);
  }

  [[nodiscard]] Result<std::unique_ptr<Receiver>> make_receiver(const ChannelSpec& spec, WaitPolicy policy) override {
    auto ring = join(spec, "receiver");
    if (!ring) return ring.error();
    return make_ring_receiver(std::move(*ring), policy);
  }

  [[nodiscard]] Result<std::unique_ptr<Communicator>> make_rank(const GroupSpec& spec, int rank,
                                                                WaitPolicy policy) override {
    if (const auto checked = check(spec, rank); !checked) return checked.error();
    auto meeting = groups_.join(spec, "rank " + std::to_string(rank), [&] { return std::make_shared<Meeting>(spec); });
    if (!meeting) return meeting.error();
    return make_meeting_rank(std::move(*meeting), rank, spec, policy);
  }

 private:
  Result<std::shared_ptr<Ring>> join(const ChannelSpec& spec, const char* end) {
    if (const auto checked = check(spec); !checked) return checked.error();
    return channels_.join(spec, end, [&] { return std::make_shared<Ring>(spec); });
  }

  Directory<ChannelSpec, Ring> channels_;
  Directory<GroupSpec, Meeting> groups_;
};

}  // namespace

extern const TransportKind memory{"memory",
                                  []() -> Result<std::unique_ptr<Transport>> { return {std::make_unique<Memory>()}; }};

}  // namespace troupe::transport
