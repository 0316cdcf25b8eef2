#include "actors/host/settings.hpp"

#include <algorithm>
#include <string>

#include "runtime/machine/cpu_quota.hpp"
#include "runtime/model/known_keys.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe::host {
namespace {

constexpr std::uint32_t longest_context = 1U << 20;  // unless the model itself has more

Error out_of_bounds(const char* what, std::uint64_t value, std::uint64_t least, std::uint64_t most) {
  return {Code::invalid_argument, std::string(what) + " is " + std::to_string(value) + "; it must be between " +
                                      std::to_string(least) + " and " + std::to_string(most)};
}

}  // namespace

Result<Settings> resolve(const Checkpoint::Impl& checkpoint, const LoadOptions& options) {
  Settings settings;
  if (!options.plan.empty()) {
    auto plan = parse_plan(options.plan);
    if (!plan) return plan.error();
    settings.plan = std::move(*plan);
  }
  const std::uint32_t own = checkpoint.model.context;
  settings.context = options.context == 0 ? own : options.context;
  const std::uint32_t most = std::max(own, longest_context);
  if (settings.context > most) return out_of_bounds("context", settings.context, 1, most);
  if (options.parallel < 1 || options.parallel > 1024) return out_of_bounds("parallel", options.parallel, 1, 1024);
  if (options.chunk < 1 || options.chunk > 65536) return out_of_bounds("chunk", options.chunk, 1, 65536);
  if (options.queue < 1 || options.queue > 1U << 20) return out_of_bounds("queue", options.queue, 1, 1U << 20);
  if (options.threads > 256) return out_of_bounds("threads", options.threads, 1, 256);
  if (!(options.prefix_weight >= 0.0F && options.prefix_weight <= 1e6F)) {
    return Error(Code::invalid_argument,
                 "prefix_weight is " + shown_value(double{options.prefix_weight}) + "; it must be from 0 to 1000000");
  }
  for (const auto& [name, budget] :
       {std::pair("weights_budget", options.weights_budget), std::pair("experts_budget", options.experts_budget)}) {
    if (budget > 0 && budget <= 1) continue;  // false for NaN as well
    return Error(Code::invalid_argument,
                 std::string(name) + " is " + shown_value(budget) + "; it is a share, more than 0 and at most 1");
  }
  if (options.trace_events > 1U << 24) return out_of_bounds("trace_events", options.trace_events, 0, 1U << 24);
  settings.parallel = options.parallel;
  settings.rows = std::max(options.chunk, options.parallel);
  const auto ranks = static_cast<std::uint32_t>(settings.plan.ranks());
  settings.threads = options.threads != 0 ? options.threads : std::max(1U, busy_threads() / ranks);
  return settings;
}

DeploySettings deploy_settings(const Settings& settings, const LoadOptions& options) {
  return {settings.context,     settings.rows, settings.parallel,    options.fusion,         options.kv_memory,
          options.prefix_cache, options.isa,   options.fusion_rules, options.weights_budget, options.experts_budget};
}

}  // namespace troupe::host
