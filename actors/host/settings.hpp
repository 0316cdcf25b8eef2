#pragma once

#include <cstdint>

#include "actors/host/checkpoint.hpp"
#include "runtime/deploy/order.hpp"
#include "runtime/plan/plan.hpp"

namespace troupe::host {

/// Load options with every default filled in, checked.
struct Settings {
  Plan plan;
  std::uint32_t threads = 1, context = 0, rows = 0, parallel = 1;
};
[[nodiscard]] Result<Settings> resolve(const Checkpoint::Impl& checkpoint, const LoadOptions& options);

/// What of them shapes the parts of a graph.
[[nodiscard]] DeploySettings deploy_settings(const Settings& settings, const LoadOptions& options);

}  // namespace troupe::host
