#include "runtime/c/options.hpp"

#include <algorithm>

#include "runtime/c/boundary.hpp"
#include "runtime/c/handles.hpp"
#include "runtime/c/sampling.hpp"
#include "runtime/c/sized.hpp"

namespace troupe::c {
namespace {

constexpr std::int64_t no_deadline = -1, no_logprobs = -1;

std::optional<std::chrono::milliseconds> deadline_of(std::int64_t count) {
  return count < 0 ? std::nullopt : std::optional(milliseconds(count));
}

std::stop_token token_of(const troupe_cancellation* cancel) {
  return cancel == nullptr ? std::stop_token() : cancel->source.get_token();
}

troupe_load_options load_defaults() {
  const LoadOptions options;
  troupe_load_options made{};
  made.deadline_ms = no_deadline;
  made.threads = options.threads;
  made.context = options.context;
  made.chunk = options.chunk;
  made.parallel = options.parallel;
  made.queue = options.queue;
  made.memory_limit = options.memory_limit;
  made.kv_memory = options.kv_memory;
  made.fusion = options.fusion ? 1 : 0;
  made.copy = TROUPE_COPY_AUTO;
  made.prefix_cache = options.prefix_cache ? 1 : 0;
  made.prefix_weight = options.prefix_weight;
  made.experts_beyond = TROUPE_EXPERTS_UNLIMITED;
  made.expert_capacity = options.expert_capacity.factor;
  made.weights_budget = options.weights_budget;
  made.experts_budget = options.experts_budget;
  return made;
}

troupe_generate_options generate_defaults() {
  const GenerateOptions options;
  troupe_generate_options made{};
  made.deadline_ms = no_deadline;
  set_sampling(options.sampling, made);
  made.max_tokens = options.max_tokens;
  made.ignore_end = options.ignore_end ? 1 : 0;
  made.parse_special = options.parse_special ? 1 : 0;
  made.logprobs = no_logprobs;
  made.priority = options.priority;
  return made;
}

troupe_logits_options logits_defaults() {
  troupe_logits_options made{};
  made.deadline_ms = no_deadline;
  made.priority = LogitsOptions().priority;
  return made;
}

std::optional<bool> copy_of(std::int32_t copy) {
  if (copy == TROUPE_COPY_AUTO) return std::nullopt;
  if (copy == TROUPE_COPY_OFF || copy == TROUPE_COPY_ON) return copy == TROUPE_COPY_ON;
  throw Error(Code::invalid_argument, "copy is " + std::to_string(copy) + "; it must be one of TROUPE_COPY_...");
}

ExpertCapacity::Beyond beyond_of(std::int32_t beyond) {
  if (beyond == TROUPE_EXPERTS_UNLIMITED) return ExpertCapacity::Beyond::none;
  if (beyond == TROUPE_EXPERTS_DROP) return ExpertCapacity::Beyond::drop;
  if (beyond == TROUPE_EXPERTS_REROUTE) return ExpertCapacity::Beyond::reroute;
  throw Error(Code::invalid_argument,
              "experts_beyond is " + std::to_string(beyond) + "; it must be one of TROUPE_EXPERTS_...");
}

std::vector<AdapterFile> adapters_of(const troupe_load_options& from) {
  std::vector<AdapterFile> to;
  for (const troupe_adapter& adapter : array_of(from.adapters, from.adapter_count, "adapters")) {
    if (adapter.reserved != 0) throw unknown_field("troupe_adapter");
    to.push_back({&needed(adapter.path, "adapters"), adapter.scale});
  }
  return to;
}

std::function<void(double)> progress_of(const troupe_load_options& from) {
  if (from.progress == nullptr) return {};
  return [progress = from.progress, user = from.user](double fraction) {
    if (progress(user, fraction) != 0) throw Error(Code::cancelled, "the host's progress callback cancelled the load");
  };
}

}  // namespace

std::chrono::milliseconds milliseconds(std::int64_t count) {
  constexpr std::chrono::milliseconds longest = std::chrono::years(100);
  return std::min(std::chrono::milliseconds(count), longest);
}

std::vector<std::string> texts(const char* const* from, std::size_t count, const char* name) {
  std::vector<std::string> to;
  for (const char* const text : array_of(from, count, name)) {
    if (text == nullptr) {
      throw Error(Code::invalid_argument,
                  std::string("element ") + std::to_string(to.size()) + " of \"" + name + "\" is NULL");
    }
    to.emplace_back(text);
  }
  return to;
}

LoadOptions load_options(const troupe_load_options* given) {
  const troupe_load_options from = read(given, load_defaults(), "troupe_load_options");
  LoadOptions to;
  to.plan = or_empty(from.plan);
  to.isa = or_empty(from.isa);
  to.threads = from.threads;
  to.context = from.context;
  to.chunk = from.chunk;
  to.parallel = from.parallel;
  to.queue = from.queue;
  to.memory_limit = from.memory_limit;
  to.kv_memory = from.kv_memory;
  to.fusion = from.fusion != 0;
  to.fusion_rules = texts(from.fusion_rules, from.fusion_rule_count, "fusion_rules");
  to.copy = copy_of(from.copy);
  to.prefix_cache = from.prefix_cache != 0;
  to.prefix_weight = from.prefix_weight;
  to.progress = progress_of(from);
  to.ignore_keys = texts(from.ignore_keys, from.ignore_key_count, "ignore_keys");
  to.adapters = adapters_of(from);
  to.experts_used = from.experts_used;
  to.expert_capacity = {beyond_of(from.experts_beyond), from.expert_capacity};
  to.balance_experts = std::chrono::milliseconds(from.balance_experts_ms);
  to.trace_events = from.trace_events;
  to.weights_budget = from.weights_budget;
  to.experts_budget = from.experts_budget;
  to.weights_folder = or_empty(from.weights_folder);
  to.cancel = token_of(from.cancel);
  to.deadline = deadline_of(from.deadline_ms);
  return to;
}

GenerateOptions generate_options(const troupe_generate_options* given) {
  const troupe_generate_options from = read(given, generate_defaults(), "troupe_generate_options");
  GenerateOptions to;
  to.max_tokens = from.max_tokens;
  to.sampling = sampling_of(from);
  to.min_tokens = from.min_tokens;
  to.ignore_end = from.ignore_end != 0;
  to.deadline = deadline_of(from.deadline_ms);
  to.parse_special = from.parse_special != 0;
  to.stop = texts(from.stop, from.stop_count, "stop");
  if (from.logprobs >= 0) to.logprobs = static_cast<std::uint32_t>(from.logprobs);
  to.priority = from.priority;
  to.cache_salt = text_of(from.cache_salt, from.cache_salt_length, "cache_salt");
  to.user = text_of(from.user, from.user_length, "user");
  return to;
}

LogitsOptions logits_options(const troupe_logits_options* given) {
  const troupe_logits_options from = read(given, logits_defaults(), "troupe_logits_options");
  LogitsOptions to;
  to.first = from.first;
  to.cancel = token_of(from.cancel);
  to.deadline = deadline_of(from.deadline_ms);
  to.priority = from.priority;
  to.cache_salt = text_of(from.cache_salt, from.cache_salt_length, "cache_salt");
  to.user = text_of(from.user, from.user_length, "user");
  return to;
}

}  // namespace troupe::c

void troupe_load_options_default(troupe_load_options* options, size_t size) {
  troupe::c::write(options, size, troupe::c::load_defaults());
}

void troupe_generate_options_default(troupe_generate_options* options, size_t size) {
  troupe::c::write(options, size, troupe::c::generate_defaults());
}

void troupe_logits_options_default(troupe_logits_options* options, size_t size) {
  troupe::c::write(options, size, troupe::c::logits_defaults());
}
