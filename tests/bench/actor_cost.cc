// What an actor costs: tokens a second of one shard behind router, scheduler, stage and sampler, against the same
// program called in a plain loop. Both decode the same tokens, in turn; medians.
//   actor_cost MODEL.gguf [THREADS [TOKENS [RUNS]]]

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tests/bench/plain_loop.hpp"
#include "troupe/troupe.hpp"

namespace {

using namespace troupe;
using bench::median, bench::PlainLoop, bench::Seconds;

double actor_seconds(const Model& model, TokenId first, std::uint32_t tokens) {
  GenerateOptions options;
  options.max_tokens = tokens;
  options.ignore_end = true;
  const auto start = std::chrono::steady_clock::now();
  Generation stream = model.generate(std::vector<TokenId>{first}, options);
  while (stream.next()) {
  }
  return Seconds(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') {
    std::fprintf(stderr, "actor_cost MODEL.gguf [THREADS [TOKENS [RUNS]]]\n");
    return 2;
  }
  const auto number = [&](int place, long fallback) {
    return static_cast<std::uint32_t>(argc > place ? std::strtol(argv[place], nullptr, 10) : fallback);
  };
  LoadOptions options;
  options.threads = number(2, 1);
  options.parallel = 1;
  const std::uint32_t tokens = number(3, 128), runs = number(4, 11);
  try {
    const Runtime runtime;
    const Checkpoint checkpoint = runtime.open(argv[1]);
    const Model model = runtime.load(checkpoint, options);
    PlainLoop plain(checkpoint, options);
    const TokenId first = 1;
    std::vector<double> with, without, ratios;
    for (std::uint32_t run = 0; run <= runs; ++run) {
      const double a = actor_seconds(model, first, tokens), b = plain.seconds(first, tokens);
      if (run == 0) continue;  // warms caches
      with.push_back(tokens / a);
      without.push_back(tokens / b);
      ratios.push_back(b / a);
    }
    std::printf("threads %u: actors %.1f tokens/s, plain loop %.1f tokens/s, ratio %.3f (median of %u pairs)\n",
                options.threads, median(with), median(without), median(ratios), runs);
  } catch (const Error& error) {
    std::fprintf(stderr, "actor_cost: %s\n", error.what());
    return 1;
  }
  return 0;
}
