#pragma once

#include <vector>

#include "runtime/device/device.hpp"
#include "runtime/model/model_file.hpp"
#include "runtime/program/builder.hpp"
#include "runtime/text/tokenizer.hpp"
#include "transport/transport.hpp"

namespace troupe::plugins {

/// The architectures: each file in architectures/ defines the one of its name, "_" for "-".
#define TROUPE_ARCHITECTURES(ARCHITECTURE) \
  ARCHITECTURE(llama)                      \
  ARCHITECTURE(mistral3)                   \
  ARCHITECTURE(qwen2)                      \
  ARCHITECTURE(qwen2moe)                   \
  ARCHITECTURE(qwen3)                      \
  ARCHITECTURE(qwen3moe)                   \
  ARCHITECTURE(gemma)                      \
  ARCHITECTURE(gemma2)                     \
  ARCHITECTURE(gemma3)                     \
  ARCHITECTURE(smollm3)                    \
  ARCHITECTURE(granite)                    \
  ARCHITECTURE(granitemoe)                 \
  ARCHITECTURE(phi3)                       \
  ARCHITECTURE(olmo2)                      \
  ARCHITECTURE(olmoe)                      \
  ARCHITECTURE(exaone4)                    \
  ARCHITECTURE(stablelm)                   \
  ARCHITECTURE(starcoder2)                 \
  ARCHITECTURE(glm4)                       \
  ARCHITECTURE(cohere2)                    \
  ARCHITECTURE(gpt_oss)                    \
  ARCHITECTURE(dots1)

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
