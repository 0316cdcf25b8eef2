#include <cstdio>
#include <memory>
#include <random>

#include "runtime/cli/loading.hpp"
#include "runtime/cli/options.hpp"
#include "runtime/cli/output.hpp"
#include "runtime/cli/verbs.hpp"

namespace troupe::cli {
namespace {

struct Run {
  ModelFlags flags;
  Source prompt;
  GenerateOptions options;
  std::optional<std::uint64_t> seed;
};

std::uint64_t draw_seed() {
  std::random_device random;
  const std::uint64_t seed = std::uint64_t{random()} << 32 | random();
  std::fprintf(stderr, "seed: %llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

void run(Run& args) {
  const std::string prompt = read(args.prompt);
  const Runtime runtime = make_runtime();
  const Model model = load(runtime, args.flags);
  const bool random = args.options.sampling.temperature > 0;
  if (random) args.options.sampling.seed = args.seed ? *args.seed : draw_seed();
  for (Generation stream = model.generate(prompt, args.options); auto token = stream.next();) print(token->text);
  end_line_on_terminal();
}

}  // namespace

void add_run(CLI::App& command) {
  auto args = std::make_shared<Run>();
  CLI::App& verb = add_verb(command, "run", "streams the text that a model writes after a prompt",
                            R"(troupe run -m MODEL.gguf -p $'<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n')",
                            [args] { run(*args); });
  add_model(verb, args->flags);
  add_source(verb, "-p,--prompt", args->prompt, "TEXT", "the prompt; special tokens in it count ('-': standard input)");
  add_count(verb, "-n,--predict", args->options.max_tokens, {},
            "tokens at most (default: to the end of the text or context)");
  Sampling& sampling = args->options.sampling;
  add_real(verb, "--temp", sampling.temperature, {0, 1000, "a number from 0 to 1000"},
           "temperature (default 0: greedy)");
  add_count(verb, "--top-k", sampling.top_k, {0, most_32_bits}, "choose among the K likeliest (default 0: all)");
  const RealLimits share = {std::numeric_limits<float>::min(), 1, "a number above 0, up to 1"};
  add_real(verb, "--top-p", sampling.top_p, share, "choose among the likeliest that make up X (default 1)");
  add_count(verb, "-s,--seed", args->seed, {0, std::numeric_limits<std::uint64_t>::max()},
            "of the choices (default: drawn, and printed to standard error)");
  add_spread(verb, args->flags);
}

}  // namespace troupe::cli
