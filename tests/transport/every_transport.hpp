#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "plugins/builtin.hpp"
#include "tests/transport/byte_transport.hpp"
#include "tests/transport/ends.hpp"

namespace troupe::testing {

/// The plug-ins of the product, and the tests' own transport.
[[nodiscard]] inline plugins::Registry registry_with_bytes() {
  plugins::Registry registry = plugins::builtin();
  registry.transports.push_back(&bytes);
  return registry;
}

/// What every test of a transport runs on: those of the product, and those of the tests.
[[nodiscard]] inline std::vector<const transport::TransportKind*> every_transport() {
  return registry_with_bytes().transports;
}

/// In a test case: runs it on one transport after the other.
struct OnEach {
  const transport::TransportKind* kind = GENERATE(from_range(every_transport()));
  std::unique_ptr<transport::Transport> transport = kind->open().value();
  mutable int made = 0;

  [[nodiscard]] Ends channel(std::size_t slots, std::size_t slot_bytes, transport::WaitPolicy policy) const {
    return channel_of(*transport, {"channel " + std::to_string(++made), slots, slot_bytes}, policy);
  }
  [[nodiscard]] Group group(int size, transport::WaitPolicy policy) const {
    return group_of(*transport, {"group " + std::to_string(++made), size}, policy);
  }
};

}  // namespace troupe::testing
