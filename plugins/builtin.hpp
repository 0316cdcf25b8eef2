#pragma once

#include <vector>

#include "runtime/device/device.hpp"
#include "runtime/model/model_file.hpp"
#include "runtime/program/builder.hpp"
#include "runtime/text/tokenizer.hpp"
#include "transport/transport.hpp"

namespace troupe::plugins {

/// The architectures: each file in architectures/ defines the one of its name.
#define TROUPE_ARCHITECTURES(ARCHITECTURE) \
  ARCHITECTURE(llama)                      \
  ARCHITECTURE(gemma3)

#define TROUPE_DECLARE(name) extern const Architecture name;
TROUPE_ARCHITECTURES(TROUPE_DECLARE)
#undef TROUPE_DECLARE

/// What can be looked up by name.
struct Registry {
  std::vector<const FileFormat*> formats;
  std::vector<const Architecture*> architectures;
  std::vector<const TokenizerFormat*> tokenizers;
  std::vector<const DeviceKind*> devices;
  std::vector<const transport::TransportKind*> transports;
};

[[nodiscard]] Registry builtin();

}  // namespace troupe::plugins
