#include "runtime/c/options.hpp"

#include "runtime/c/boundary.hpp"
#include "runtime/c/sized.hpp"

namespace troupe::c {
namespace {

troupe_load_options defaults() {
  const LoadOptions options;
  troupe_load_options made{};
  made.threads = options.threads;
  made.context = options.context;
  made.chunk = options.chunk;
  made.parallel = options.parallel;
  made.queue = options.queue;
  made.memory_limit = options.memory_limit;
  made.fusion = options.fusion ? 1 : 0;
  made.copy = TROUPE_COPY_AUTO;
  return made;
}

std::optional<bool> copy_of(std::int32_t copy) {
  if (copy == TROUPE_COPY_AUTO) return std::nullopt;
  if (copy == TROUPE_COPY_OFF || copy == TROUPE_COPY_ON) return copy == TROUPE_COPY_ON;
  throw Error(Code::invalid_argument, "copy is " + std::to_string(copy) + "; it must be one of TROUPE_COPY_...");
}

std::function<void(double)> progress_of(const troupe_load_options& from) {
  if (from.progress == nullptr) return {};
  return [progress = from.progress, user = from.user](double fraction) {
    if (progress(user, fraction) != 0) throw Error(Code::cancelled, "the host's progress callback cancelled the load");
  };
}

}  // namespace

std::vector<std::string> texts(const char* const* from, std::size_t count, const char* name) {
  std::vector<std::string> to;
  for (std::size_t i = 0; i < count; ++i) to.emplace_back(&needed((&needed(from, name))[i], name));
  return to;
}

LoadOptions load_options(const troupe_load_options* given) {
  const troupe_load_options from = read(given, defaults(), "troupe_load_options");
  if (from.reserved != 0) throw unknown_field("troupe_load_options");
  LoadOptions to;
  to.plan = or_empty(from.plan);
  to.isa = or_empty(from.isa);
  to.threads = from.threads;
  to.context = from.context;
  to.chunk = from.chunk;
  to.parallel = from.parallel;
  to.queue = from.queue;
  to.memory_limit = from.memory_limit;
  to.fusion = from.fusion != 0;
  to.copy = copy_of(from.copy);
  to.progress = progress_of(from);
  to.ignore_keys = texts(from.ignore_keys, from.ignore_key_count, "ignore_keys");
  return to;
}

}  // namespace troupe::c

void troupe_load_options_default(troupe_load_options* options, size_t size) {
  troupe::c::write(options, size, troupe::c::defaults());
}
