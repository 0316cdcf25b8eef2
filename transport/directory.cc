#include "transport/directory.hpp"

namespace troupe::transport {

Result<void> check(const ChannelSpec& spec) {
  if (spec.slots >= 1) return {};
  return Error(Code::invalid_argument, describe(spec) + ": it needs at least one slot");
}

Result<void> check(const GroupSpec& spec, int rank) {
  if (rank >= 0 && rank < spec.size) return {};
  return Error(Code::invalid_argument,
               describe(spec) + " has no rank " + std::to_string(rank) + "; they are counted from 0");
}

std::string describe(const ChannelSpec& spec) {
  return "channel " + spec.name + " (slots: " + std::to_string(spec.slots) + ", of " + std::to_string(spec.slot_bytes) +
         " bytes)";
}

std::string describe(const GroupSpec& spec) {
  return "group " + spec.name + " (ranks: " + std::to_string(spec.size) + ")";
}

}  // namespace troupe::transport
