#pragma once

#include <span>
#include <string_view>

#include "runtime/program/program.hpp"

namespace troupe {

/// Rewrites a pattern of ops that begins at `at` into fewer ops that give the same bits; false where it does not begin
/// there.
struct FusionRule {
  std::string_view name;
  bool (*apply)(std::vector<Op>& ops, std::size_t at);
};

/// In the order in which they are tried.
[[nodiscard]] std::span<const FusionRule> fusion_rules();

/// Applies every rule wherever it fits.
void fuse(Program& program);

}  // namespace troupe
