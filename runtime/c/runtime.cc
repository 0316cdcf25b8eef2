#include <memory>
#include <string>

#include "runtime/c/boundary.hpp"
#include "runtime/c/handles.hpp"
#include "runtime/c/options.hpp"
#include "runtime/c/sized.hpp"
#include "runtime/c/stats.hpp"

namespace troupe::c {
namespace {

troupe_runtime_options runtime_defaults() {
  troupe_runtime_options made{};
  made.control_threads = RuntimeOptions().control_threads;
  made.metrics_interval_ms = RuntimeOptions().metrics_interval.count();
  return made;
}

static_assert(TROUPE_VERSION_NUMBER == TROUPE_BUILT_NUMBER);
static_assert(static_cast<int>(LogLevel::debug) == TROUPE_LOG_DEBUG);
static_assert(static_cast<int>(LogLevel::info) == TROUPE_LOG_INFO);
static_assert(static_cast<int>(LogLevel::warning) == TROUPE_LOG_WARNING);
static_assert(static_cast<int>(LogLevel::error) == TROUPE_LOG_ERROR);

/// A runtime whose log and metrics go to the host, and that gives the host's pointer back when nobody can call it any
/// more.
Runtime logging_runtime(const troupe_runtime_options& from) {
  const auto release = std::make_shared<Release>(from.release, from.user);
  RuntimeOptions options{.control_threads = from.control_threads};
  options.log = [release, log = from.log, user = from.user](LogLevel level, std::string_view line) {
    const std::string ended(line);  // with a zero byte
    if (log != nullptr) log(user, static_cast<int>(level), ended.c_str(), ended.size());
  };
  if (from.metrics != nullptr) {
    options.metrics = [release, metrics = from.metrics, user = from.user](std::string_view model, const Stats& stats) {
      const std::string ended(model);
      const troupe_stats told = stats_of(stats);
      metrics(user, ended.c_str(), &told);
    };
  }
  options.metrics_interval = milliseconds(from.metrics_interval_ms);
  Runtime made(std::move(options));
  release->arm();
  return made;
}

}  // namespace
}  // namespace troupe::c

using namespace troupe::c;

const char* troupe_version() { return TROUPE_VERSION; }

uint32_t troupe_version_number() { return TROUPE_VERSION_NUMBER; }

void troupe_runtime_options_default(troupe_runtime_options* options, size_t size) {
  write(options, size, runtime_defaults());
}

troupe_status troupe_runtime_new(const troupe_runtime_options* options, troupe_runtime** runtime, troupe_error* error) {
  return guarded(error, [&] {
    auto& out = emptied(runtime, "runtime");
    const auto from = read(options, runtime_defaults(), "troupe_runtime_options");
    if (from.reserved != 0) throw unknown_field("troupe_runtime_options");
    out = new troupe_runtime{logging_runtime(from)};
  });
}

void troupe_runtime_free(troupe_runtime* runtime) { delete runtime; }
