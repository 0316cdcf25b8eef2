#include "runtime/cli/generating.hpp"

#include <algorithm>
#include <limits>
#include <random>

#include "runtime/cli/options.hpp"
#include "runtime/cli/output.hpp"

namespace troupe::cli {
namespace {

std::uint64_t draw_seed() {
  std::random_device random;
  return std::uint64_t{random()} << 32 | random();
}

/// Whether a seed decides anything. Without `t` in the order, the temperature is 1.
bool is_random(const Sampling& sampling) {
  const auto has = [&](char letter) { return sampling.order.find(letter) != std::string::npos; };
  return sampling.temperature > 0 || !has('t') || (sampling.xtc_probability > 0 && has('x'));
}

std::string per_second(std::uint64_t count, std::chrono::nanoseconds taken) {
  return fixed(static_cast<double>(count) / std::max(std::chrono::duration<double>(taken).count(), 1e-9), 1) +
         " tokens/s";
}

/// The next token, where nobody stops the stream before it comes.
std::optional<Token> next_of(Generation& stream, const std::function<bool()>& stop) {
  while (true) {
    if (stop()) stream.cancel();
    if (auto token = stream.next(std::chrono::milliseconds(50))) return token;
    if (stream.finish()) return {};
  }
}

}  // namespace

void add_generate(CLI::App& verb, GenerateFlags& flags) {
  begin_group(verb, "Sampling");
  add_count(verb, "-n,--predict", flags.tokens, {0, most_32_bits, -2},
            "tokens at most (default -1, and -2: to the end of the text or context)");
  add_texts(verb, "--stop", flags.options.stop, "TEXT", "ends before it would be printed (once for each, 16 at most)");
  add_count(verb, "--min-tokens", flags.options.min_tokens, {0, most_32_bits},
            "no end of the text before so many (default 0)");
  add_count(verb, "-s,--seed", flags.seed, {0, std::numeric_limits<std::uint64_t>::max(), -1},
            "of the choices (default -1: drawn, and printed to standard error)");
  add_sampling(verb, flags.sampling);
  show_further(verb, "--min-tokens");
  begin_group(verb);
}

GenerateOptions options_of(const GenerateFlags& flags) {
  GenerateOptions options = flags.options;
  options.sampling = sampling_of(flags.sampling);
  if (is_random(options.sampling)) options.sampling.seed = flags.seed ? *flags.seed : draw_seed();
  options.max_tokens = flags.tokens ? std::max(*flags.tokens, 1U) : 0;
  return options;
}

void say_seed(const GenerateFlags& flags, const GenerateOptions& options) {
  if (flags.seed || !is_random(options.sampling)) return;
  say("seed: " + std::to_string(options.sampling.seed) + "\n");
}

Answer print_stream(Generation stream, const std::function<bool()>& stop) {
  const auto start = std::chrono::steady_clock::now();
  Answer answer;
  try {
    while (auto token = stop ? next_of(stream, stop) : stream.next()) {
      if (token->id != no_token) answer.ids.push_back(token->id);
      answer.text += token->text;
      print_text(token->text);
    }
  } catch (const Error& error) {
    if (error.code() != Code::cancelled) throw;
  }
  answer.finish = stream.finish().value_or(Finish{});
  answer.taken = std::chrono::steady_clock::now() - start;
  return answer;
}

std::string timings_of(const Answer& answer, std::uint32_t context) {
  const Usage& usage = answer.finish.usage;
  const std::uint32_t computed = usage.prompt_tokens - usage.cached_tokens;
  const std::uint32_t later = std::max(usage.generated_tokens, 1U) - 1;  // than the first, which the prefill gave
  const double wait = std::chrono::duration<double>(usage.first_token).count();
  return "prefill " + std::to_string(computed) + " of " + std::to_string(usage.prompt_tokens) + " tokens, " +
         per_second(computed, usage.first_token) + "; decode " + std::to_string(later) + " tokens, " +
         per_second(later, answer.taken - usage.first_token) + "; first token after " + fixed(wait, 3) + " s; KV of " +
         std::to_string(usage.prompt_tokens + usage.generated_tokens) + " of " + std::to_string(context) +
         " positions\n";
}

std::string batch_timings_of(const Stats& stats, std::chrono::nanoseconds taken) {
  return std::to_string(stats.requests) + " prompts of " + std::to_string(stats.prompt_tokens) + " tokens, " +
         std::to_string(stats.cached_tokens) + " of them computed once for several; " +
         std::to_string(stats.generated_tokens) + " tokens written, " + per_second(stats.generated_tokens, taken) +
         "\n";
}

}  // namespace troupe::cli
