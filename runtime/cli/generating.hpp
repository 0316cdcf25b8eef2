#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/cli/sampling_flags.hpp"
#include "troupe/model.hpp"

namespace CLI {
class App;
}

namespace troupe::cli {

/// How long a text may be, and how its tokens are chosen.
struct GenerateFlags {
  GenerateOptions options;
  std::optional<std::uint32_t> tokens;
  std::optional<std::uint64_t> seed;
  SamplingFlags sampling;
};

/// -n, --min-tokens, --stop, -s, and how tokens are sampled.
void add_generate(CLI::App& verb, GenerateFlags& flags);

/// What the flags come to. Where choices are random and no seed is given one is drawn.
GenerateOptions options_of(const GenerateFlags& flags);

/// Prints the seed to standard error, where it was drawn.
void say_seed(const GenerateFlags& flags, const GenerateOptions& options);

/// What a stream gave, and how long it took to its end.
struct Answer {
  std::vector<TokenId> ids;  ///< without no_token
  std::string text;
  Finish finish;
  std::chrono::nanoseconds taken{};
};

/// Prints a stream as it comes. `stop` is asked twenty times a second, and cancels it. Throws Error where it fails.
Answer print_stream(Generation stream, const std::function<bool()>& stop = {});

/// How fast an answer was, in one line; `context` is the positions that a sequence may have.
std::string timings_of(const Answer& answer, std::uint32_t context);

/// The same of a batch, which is all that the model has done.
std::string batch_timings_of(const Stats& stats, std::chrono::nanoseconds taken);

}  // namespace troupe::cli
