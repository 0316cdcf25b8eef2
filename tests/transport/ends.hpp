#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "transport/memory/memory.hpp"

namespace troupe::testing {

/// Both ends of a channel.
struct Ends {
  std::unique_ptr<transport::Sender> sender;
  std::unique_ptr<transport::Receiver> receiver;
};

[[nodiscard]] inline Ends channel_of(transport::Transport& transport, const transport::ChannelSpec& spec,
                                     transport::WaitPolicy policy) {
  return {transport.make_sender(spec, policy).value(), transport.make_receiver(spec, policy).value()};
}

/// The ends of all ranks.
using Group = std::vector<std::unique_ptr<transport::Communicator>>;

[[nodiscard]] inline Group group_of(transport::Transport& transport, const transport::GroupSpec& spec,
                                    transport::WaitPolicy policy) {
  Group ends;
  for (int rank = 0; rank < spec.size; ++rank) ends.push_back(transport.make_rank(spec, rank, policy).value());
  return ends;
}

/// The same between threads of this process, for who is not about transports.
[[nodiscard]] inline Ends channel_in_memory(std::size_t slots, std::size_t slot_bytes,
                                            transport::WaitPolicy policy = {}) {
  return channel_of(*transport::memory.open().value(), {"channel", slots, slot_bytes}, policy);
}

[[nodiscard]] inline Group group_in_memory(int size, transport::WaitPolicy policy = {}) {
  return group_of(*transport::memory.open().value(), {"group", size}, policy);
}

/// Some senders, which is one.
[[nodiscard]] inline std::vector<std::unique_ptr<transport::Sender>> only(std::unique_ptr<transport::Sender> sender) {
  std::vector<std::unique_ptr<transport::Sender>> senders;
  senders.push_back(std::move(sender));
  return senders;
}

}  // namespace troupe::testing
