#pragma once

#include <catch2/catch.hpp>
#include <optional>
#include <string>

#include "tests/model_files.hpp"

namespace troupe::testing {

/// Where a model file is; nothing, and a line that says so, where it is not on this machine.
inline std::optional<std::string> model_at_hand(const char* file) {
  const auto path = model_path(file);
  if (std::filesystem::exists(path)) return path.string();
  WARN("skipped: there is no " << path.string());
  return std::nullopt;
}

}  // namespace troupe::testing
