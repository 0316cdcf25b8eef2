#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "runtime/text/sampling_terms.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

constexpr std::size_t most_breakers = 16, longest_breaker = 64;

std::string text_of(float value) {
  std::array<char, 32> text;
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

Error refused(std::string_view name, const std::string& is, const std::string& must) {
  return {Code::invalid_argument, std::string(name) + " is " + is + "; it must be " + must};
}

struct Range {
  const char* name;
  float value, least, most;
  bool above_least = false;

  [[nodiscard]] bool holds() const { return (above_least ? value > least : value >= least) && value <= most; }
  [[nodiscard]] Error error() const {
    return refused(name, text_of(value),
                   above_least ? "above " + text_of(least) + " and at most " + text_of(most)
                               : "between " + text_of(least) + " and " + text_of(most));
  }
};

Result<void> check_numbers(const Sampling& sampling) {
  constexpr float large = 1e6F;
  for (const Range& range :
       {Range{"temperature", sampling.temperature, -large, large}, Range{"top_p", sampling.top_p, 0, 1, true},
        Range{"min_p", sampling.min_p, 0, 1}, Range{"typical_p", sampling.typical_p, 0, 1, true},
        Range{"top_n_sigma", sampling.top_n_sigma, -1, large}, Range{"xtc_probability", sampling.xtc_probability, 0, 1},
        Range{"xtc_threshold", sampling.xtc_threshold, 0, 1},
        Range{"repeat_penalty", sampling.repeat_penalty, 0, large, true},
        Range{"presence_penalty", sampling.presence_penalty, -large, large},
        Range{"frequency_penalty", sampling.frequency_penalty, -large, large},
        Range{"dry_multiplier", sampling.dry_multiplier, 0, large}, Range{"dry_base", sampling.dry_base, 1, large},
        Range{"mirostat_tau", sampling.mirostat_tau, 0, 1000}, Range{"mirostat_eta", sampling.mirostat_eta, 0, 1}}) {
    if (!range.holds()) return range.error();
  }
  return {};
}

Result<void> check_windows(const Sampling& sampling) {
  const auto wrong = [](const char* name, std::int32_t value) {
    return refused(name, std::to_string(value), "-1, for all tokens, or a number of them");
  };
  if (sampling.penalty_last_n < -1) return wrong("penalty_last_n", sampling.penalty_last_n);
  if (sampling.dry_last_n < -1) return wrong("dry_last_n", sampling.dry_last_n);
  if (sampling.dry_allowed_length < 1) return refused("dry_allowed_length", "0", "at least 1");
  return {};
}

Result<void> check_breakers(const std::vector<std::string>& breakers) {
  if (breakers.size() > most_breakers) {
    return Error(Code::invalid_argument, "dry_breakers has " + std::to_string(breakers.size()) +
                                             " texts; it may have " + std::to_string(most_breakers));
  }
  for (const std::string& each : breakers) {
    if (!each.empty() && each.size() <= longest_breaker) continue;
    return Error(Code::invalid_argument, "one of dry_breakers has " + std::to_string(each.size()) +
                                             " bytes; it must have 1 to " + std::to_string(longest_breaker));
  }
  return {};
}

Result<void> check_bias(const std::vector<LogitBias>& biases, std::size_t vocabulary) {
  constexpr float large = 1e6F;
  std::vector<bool> seen(biases.empty() ? 0 : vocabulary);
  for (const LogitBias& each : biases) {
    const auto id = static_cast<std::size_t>(each.id);
    const std::string of = "logit_bias of token " + std::to_string(each.id);
    if (each.id < 0 || id >= vocabulary) {
      return Error(Code::invalid_argument, of + ": ids must be between 0 and " + std::to_string(vocabulary - 1));
    }
    if (seen[id]) return Error(Code::invalid_argument, of + " is there twice; each token may be there once");
    if (!(std::abs(each.bias) <= large) && each.bias != -std::numeric_limits<float>::infinity()) {
      return refused(of, text_of(each.bias), "between -1e+06 and 1e+06, or minus infinity");
    }
    seen[id] = true;
  }
  return {};
}

Result<void> check_order(const std::string& order) {
  constexpr std::string_view letters = "edskypmxt";
  const auto wrong = [&](const std::string& why) {
    return Error(Code::invalid_argument, "the order of samplers is \"" + on_one_line(order) + "\", " + why);
  };
  bool cut = false;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (letters.find(order[i]) == letters.npos || order.find(order[i], i + 1) != order.npos) {
      return wrong("but must be some of the letters " + std::string(letters) + ", each once");
    }
    const bool looks_back = order[i] == 'e' || order[i] == 'd';
    if (looks_back && cut) return wrong("but e and d must come before all others");
    cut |= !looks_back;
  }
  return {};
}

}  // namespace

Result<void> check_sampling(const Sampling& sampling, std::size_t vocabulary) {
  Result<void> checked = check_numbers(sampling);
  if (checked) checked = check_windows(sampling);
  if (checked) checked = check_breakers(sampling.dry_breakers);
  if (checked) checked = check_bias(sampling.logit_bias, vocabulary);
  if (checked) checked = check_order(sampling.order);
  return checked;
}

}  // namespace troupe
