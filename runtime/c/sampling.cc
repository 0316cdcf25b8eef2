#include "runtime/c/sampling.hpp"

#include <iterator>

#include "runtime/c/boundary.hpp"
#include "runtime/c/options.hpp"

namespace troupe::c {
namespace {

constexpr const char* dry_breakers[] = {"\n", ":", "\"", "*"};

bool mirostat_of(std::int32_t version) {
  if (version == 0 || version == 2) return version == 2;
  throw Error(Code::invalid_argument, "mirostat is " + std::to_string(version) + "; it must be 0 or 2");
}

std::vector<LogitBias> biases_of(const troupe_generate_options& from) {
  std::vector<LogitBias> biases;
  for (const troupe_logit_bias& each : array_of(from.logit_bias, from.logit_bias_count, "logit_bias")) {
    biases.push_back({each.id, each.bias});
  }
  return biases;
}

}  // namespace

void set_sampling(const Sampling& sampling, troupe_generate_options& made) {
  made.seed = sampling.seed;
  made.temperature = sampling.temperature;
  made.top_p = sampling.top_p;
  made.top_k = sampling.top_k;
  made.dry_breakers = dry_breakers;
  made.dry_breaker_count = std::size(dry_breakers);
  made.choice = sampling.choice;
  made.min_p = sampling.min_p;
  made.typical_p = sampling.typical_p;
  made.top_n_sigma = sampling.top_n_sigma;
  made.xtc_probability = sampling.xtc_probability;
  made.xtc_threshold = sampling.xtc_threshold;
  made.penalty_last_n = sampling.penalty_last_n;
  made.repeat_penalty = sampling.repeat_penalty;
  made.presence_penalty = sampling.presence_penalty;
  made.frequency_penalty = sampling.frequency_penalty;
  made.dry_multiplier = sampling.dry_multiplier;
  made.dry_base = sampling.dry_base;
  made.dry_allowed_length = sampling.dry_allowed_length;
  made.dry_last_n = sampling.dry_last_n;
  made.mirostat_tau = sampling.mirostat_tau;
  made.mirostat_eta = sampling.mirostat_eta;
}

Sampling sampling_of(const troupe_generate_options& from) {
  Sampling to;
  to.temperature = from.temperature;
  to.top_k = from.top_k;
  to.top_p = from.top_p;
  to.seed = from.seed;
  to.choice = from.choice;
  to.min_p = from.min_p;
  to.typical_p = from.typical_p;
  to.top_n_sigma = from.top_n_sigma;
  to.xtc_probability = from.xtc_probability;
  to.xtc_threshold = from.xtc_threshold;
  to.penalty_last_n = from.penalty_last_n;
  to.repeat_penalty = from.repeat_penalty;
  to.presence_penalty = from.presence_penalty;
  to.frequency_penalty = from.frequency_penalty;
  to.dry_multiplier = from.dry_multiplier;
  to.dry_base = from.dry_base;
  to.dry_allowed_length = from.dry_allowed_length;
  to.dry_last_n = from.dry_last_n;
  to.dry_breakers = texts(from.dry_breakers, from.dry_breaker_count, "dry_breakers");
  to.mirostat = mirostat_of(from.mirostat);
  to.mirostat_tau = from.mirostat_tau;
  to.mirostat_eta = from.mirostat_eta;
  to.logit_bias = biases_of(from);
  if (from.sampler_order != nullptr) to.order = from.sampler_order;
  return to;
}

}  // namespace troupe::c
