#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "transport/channel/channel.hpp"
#include "transport/collective/communicator.hpp"
#include "transport/waiter.hpp"
#include "troupe/error.hpp"

namespace troupe::transport {

/// What both ends of a channel know. `name` tells it from all others that live at the same time.
struct ChannelSpec {
  std::string name;
  std::size_t slots = 1, slot_bytes = 0;  ///< how many tensors may be on their way, and how large one may be
  friend bool operator==(const ChannelSpec&, const ChannelSpec&) = default;
};

/// What all ranks of a group know.
struct GroupSpec {
  std::string name;
  int size = 1;
  friend bool operator==(const GroupSpec&, const GroupSpec&) = default;
};

/// A way for bytes to travel. Each end is made by whoever holds the part on its side, and finds the others by the
/// spec's name; making one waits for nobody. Two senders, receivers or equal ranks of one name are an error, and so are
/// specs that disagree; a name may be used again when all of its ends are gone. Any thread. Ends may outlive it.
class Transport {
 public:
  virtual ~Transport() = default;
  [[nodiscard]] virtual Result<std::unique_ptr<Sender>> make_sender(const ChannelSpec& spec, WaitPolicy policy) = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<Receiver>> make_receiver(const ChannelSpec& spec, WaitPolicy policy) = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<Communicator>> make_rank(const GroupSpec& spec, int rank,
                                                                        WaitPolicy policy) = 0;
};

/// A transport by name, as edges and groups of a graph ask for it (`via`).
struct TransportKind {
  std::string_view name;
  Result<std::unique_ptr<Transport>> (*open)();
};

}  // namespace troupe::transport
