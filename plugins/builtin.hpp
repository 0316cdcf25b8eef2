#pragma once

#include <vector>

#include "runtime/device/device.hpp"
#include "runtime/model/model_file.hpp"
#include "runtime/program/builder.hpp"
#include "runtime/text/tokenizer.hpp"
#include "transport/transport.hpp"

namespace troupe::plugins {

/// What can be looked up by name: one line in builtin.cc adds to it.
struct Registry {
  std::vector<const FileFormat*> formats;
  std::vector<const Architecture*> architectures;
  std::vector<const TokenizerFormat*> tokenizers;
  std::vector<const DeviceKind*> devices;
  std::vector<const transport::TransportKind*> transports;
};

[[nodiscard]] Registry builtin();

}  // namespace troupe::plugins
