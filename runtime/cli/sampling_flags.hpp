#pragma once

#include <optional>
#include <string>
#include <vector>

#include "troupe/runtime.hpp"

namespace CLI {
class App;
}

namespace troupe::cli {

/// How tokens are sampled, as flags say it: llama.cpp's names.
struct SamplingFlags {
  Sampling sampling;
  std::vector<std::string> biases, breakers;
  std::optional<std::string> order;
  std::string mirostat = "0";
};

/// The flags, but for the seed.
void add_sampling(CLI::App& verb, SamplingFlags& flags);

/// What they come to. Throws Error.
[[nodiscard]] Sampling sampling_of(const SamplingFlags& flags);

}  // namespace troupe::cli
