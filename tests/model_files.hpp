#pragma once

#include <cstdlib>
#include <filesystem>

#include "tests/folder.hpp"

namespace troupe::testing {

/// Where a model file would be on this machine.
inline std::filesystem::path model_path(const char* file) {
  const char* home = std::getenv("HOME");
  return folder("TROUPE_MODELS", std::filesystem::path(home == nullptr ? "." : home) / ".cache/troupe/models") / file;
}

inline constexpr const char* smollm2 = "SmolLM2-135M-Instruct.Q4_1.gguf";
inline constexpr const char* gemma3 = "gemma-3-270m-q4_k_m.gguf";

}  // namespace troupe::testing
