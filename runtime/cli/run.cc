#include <algorithm>
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
  std::optional<std::uint32_t> tokens;
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
  const Runtime runtime;
  const Model model = load(runtime, args.flags);
  const bool random = args.options.sampling.temperature > 0;
  if (random) args.options.sampling.seed = args.seed ? *args.seed : draw_seed();
  args.options.max_tokens = args.tokens ? std::max(*args.tokens, 1U) : 0;
  Generation stream = model.generate(prompt, args.options);
  if (args.tokens == 0U) return (void)stream.next();  // the prompt has been checked and computed
  while (auto token = stream.next()) print_text(token->text);
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
  add_on_off(verb, "--parse-special", args->options.parse_special,
             "off: special tokens in it are plain text (default on)");
  add_count(verb, "-n,--predict", args->tokens, {0, most_32_bits, -2},
            "tokens at most (default -1, and -2: to the end of the text or context)");
  add_texts(verb, "--stop", args->options.stop, "TEXT", "ends before it would be printed (once for each, 16 at most)");
  Sampling& sampling = args->options.sampling;
  add_real(verb, "--temp", sampling.temperature, {0, 1000, "a number from 0 to 1000"},
           "temperature (default 0: greedy)");
  add_count(verb, "--top-k", sampling.top_k, {0, most_32_bits}, "choose among the K likeliest (default 0: all)");
  const RealLimits share = {std::numeric_limits<float>::denorm_min(), 1, "a number above 0, up to 1"};
  add_real(verb, "--top-p", sampling.top_p, share, "choose among the likeliest that make up X (default 1)");
  add_count(verb, "-s,--seed", args->seed, {0, std::numeric_limits<std::uint64_t>::max(), -1},
            "of the choices (default -1: drawn, and printed to standard error)");
  add_spread(verb, args->flags);
}

}  // namespace troupe::cli
