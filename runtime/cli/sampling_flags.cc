#include "runtime/cli/sampling_flags.hpp"

#include <CLI/CLI.hpp>
#include <charconv>
#include <limits>
#include <vector>

#include "runtime/cli/options.hpp"

namespace troupe::cli {
namespace {

/// A flag for a window of tokens: -1 for all.
void add_window(CLI::App& verb, const std::string& names, std::int32_t& target, const std::string& help) {
  const auto set = [&target](std::optional<std::uint64_t> count) {
    target = count ? static_cast<std::int32_t>(*count) : -1;
  };
  add_whole(verb, names, set, {0, std::numeric_limits<std::int32_t>::max(), -1}, help);
}

void add_penalties(CLI::App& verb, Sampling& sampling) {
  constexpr float large = 1e6F;
  const RealLimits any = {-large, large, "a number from -1000000 to 1000000"};
  add_window(verb, "--repeat-last-n", sampling.penalty_last_n, "penalties see so many tokens (default 64; -1: all)");
  add_real(verb, "--repeat-penalty", sampling.repeat_penalty,
           {std::numeric_limits<float>::denorm_min(), large, "a number above 0, up to 1000000"},
           "divides logits of tokens that were there (default 1)");
  add_real(verb, "--presence-penalty", sampling.presence_penalty, any, "taken from their logits (default 0)");
  add_real(verb, "--frequency-penalty", sampling.frequency_penalty, any, "the same for each time (default 0)");
}

void add_dry(CLI::App& verb, SamplingFlags& flags) {
  constexpr float large = 1e6F;
  Sampling& sampling = flags.sampling;
  add_real(verb, "--dry-multiplier", sampling.dry_multiplier, {0, large, "a number from 0 to 1000000"},
           "DRY: taken from what would repeat more (default 0: off)");
  add_real(verb, "--dry-base", sampling.dry_base, {1, large, "a number from 1 to 1000000"}, "of DRY (default 1.75)");
  add_count(verb, "--dry-allowed-length", sampling.dry_allowed_length, {1, most_32_bits},
            "of what repeats for nothing (default 2)");
  add_window(verb, "--dry-penalty-last-n", sampling.dry_last_n, "DRY sees so many tokens (default -1: all)");
  add_texts(verb, "--dry-sequence-breaker", flags.breakers, "TEXT",
            "ends what repeats (once for each; default: newline : \" *)");
}

void add_cuts(CLI::App& verb, Sampling& sampling) {
  const RealLimits part = {0, 1, "a number from 0 to 1"};
  const RealLimits share = {std::numeric_limits<float>::denorm_min(), 1, "a number above 0, up to 1"};
  add_real(verb, "--min-p", sampling.min_p, part, "choose what is at least X times as likely as the first (default 0)");
  add_real(verb, "--typical,--typical-p", sampling.typical_p, share,
           "choose among the most typical that make up X (default 1)");
  add_real(verb, "--top-nsigma,--top-n-sigma", sampling.top_n_sigma, {-1, 1e6F, "a number from -1 to 1000000"},
           "choose what is within X deviations of the top (default -1: all)");
  add_real(verb, "--xtc-probability", sampling.xtc_probability, part, "of leaving out top choices (default 0)");
  add_real(verb, "--xtc-threshold", sampling.xtc_threshold, part, "above which choices are top ones (default 0.1)");
}

void add_mirostat(CLI::App& verb, SamplingFlags& flags) {
  add_choice(verb, "--mirostat", flags.mirostat, {"0", "2"}, "2: Mirostat 2 (default 0: off)");
  add_real(verb, "--mirostat-ent", flags.sampling.mirostat_tau, {0, 1000, "a number from 0 to 1000"},
           "surprise that it keeps, in bits (default 5)");
  add_real(verb, "--mirostat-lr", flags.sampling.mirostat_eta, {0, 1, "a number from 0 to 1"},
           "how fast it does (default 0.1)");
}

template <class Number>
bool read(std::string_view text, Number& number) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && stop == text.data() + text.size();
}

LogitBias bias_of(const std::string& text) {
  const std::size_t sign = text.find_first_of("+-", 1);
  LogitBias bias;
  const bool reads = sign != text.npos && read(text.substr(0, sign), bias.id) &&
                     read(text.substr(text[sign] == '+' ? sign + 1 : sign), bias.bias);
  if (reads) return bias;
  throw Error(Code::invalid_argument,
              "--logit-bias wants an id and a bias, as 15043+1 or 15043-inf, not '" + text + "'");
}

}  // namespace

void add_sampling(CLI::App& verb, SamplingFlags& flags) {
  Sampling& sampling = flags.sampling;
  const RealLimits share = {std::numeric_limits<float>::denorm_min(), 1, "a number above 0, up to 1"};
  add_real(verb, "--temp", sampling.temperature, {-1, 1000, "a number from -1 to 1000"},
           "temperature (default 0: greedy, as is less)");
  add_count(verb, "--top-k", sampling.top_k, {0, most_32_bits}, "choose among the K likeliest (default 0: all)");
  add_real(verb, "--top-p", sampling.top_p, share, "choose among the likeliest that make up X (default 1)");
  const std::size_t usual = verb.get_options().size();
  add_cuts(verb, sampling);
  add_penalties(verb, sampling);
  add_dry(verb, flags);
  add_mirostat(verb, flags);
  add_texts(verb, "-l,--logit-bias", flags.biases, "ID+BIAS", "added to a logit: 15043+1, 15043-inf (once for each)");
  add_text(verb, "--sampler-seq,--sampling-seq", flags.order, "LETTERS", "samplers in order (default edskypmxt)");
  const std::vector<CLI::Option*> all = verb.get_options();
  for (std::size_t i = usual; i < all.size(); ++i) all[i]->group(further_flags);
  verb.set_help_all_flag("--help-sampling", "all other flags that say how tokens are chosen");
}

Sampling sampling_of(const SamplingFlags& flags) {
  Sampling sampling = flags.sampling;
  for (const std::string& bias : flags.biases) sampling.logit_bias.push_back(bias_of(bias));
  if (!flags.breakers.empty()) sampling.dry_breakers = flags.breakers;
  if (flags.breakers == std::vector<std::string>{"none"}) sampling.dry_breakers.clear();
  if (flags.order) sampling.order = *flags.order;
  sampling.mirostat = flags.mirostat == "2";
  return sampling;
}

}  // namespace troupe::cli
