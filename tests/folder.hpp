#pragma once

#include <cstdlib>
#include <filesystem>

namespace troupe::testing {

/// The folder that an environment variable names, or the usual one.
inline std::filesystem::path folder(const char* variable, const std::filesystem::path& usual) {
  const char* value = std::getenv(variable);
  return value == nullptr || *value == '\0' ? usual : std::filesystem::path(value);
}

}  // namespace troupe::testing
