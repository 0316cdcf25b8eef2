#include "transport/channel/channel.hpp"

#include <string>

namespace troupe::transport {

Result<void> check_fits(const Tensor& tensor, std::size_t slot_bytes) {
  if (well_formed(tensor) && tensor.bytes() <= slot_bytes) return {};
  return Error(Code::invalid_argument, "channel: " + describe(tensor) + " is " + std::to_string(tensor.bytes()) +
                                           " bytes or malformed; a slot holds " + std::to_string(slot_bytes) +
                                           " bytes");
}

Result<void> check_same(const Tensor& sent, const Tensor& room) {
  if (well_formed(room) && same_shape(sent, room)) return {};
  return Error(Code::invalid_argument, "channel: " + describe(sent) + " was sent, the receiver has room for " +
                                           describe(room) + "; they must be the same");
}

}  // namespace troupe::transport
