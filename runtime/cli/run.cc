#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>
#include <vector>

#include "runtime/cli/loading.hpp"
#include "runtime/cli/options.hpp"
#include "runtime/cli/output.hpp"
#include "runtime/cli/sampling_flags.hpp"
#include "runtime/cli/verbs.hpp"

namespace troupe::cli {
namespace {

struct Run {
  ModelFlags flags;
  Source prompt;
  GenerateOptions options;
  std::optional<std::uint32_t> tokens;
  std::optional<std::uint64_t> seed;
  std::uint32_t texts = 1;
  SamplingFlags sampling;
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
  args.flags.load.parallel = args.texts;
  const Model model = load(runtime, args.flags);
  Sampling& sampling = args.options.sampling = sampling_of(args.sampling);
  const bool random = sampling.temperature > 0 || sampling.xtc_probability > 0;
  if (random) sampling.seed = args.seed ? *args.seed : draw_seed();
  args.options.max_tokens = args.tokens ? std::max(*args.tokens, 1U) : 0;
  const std::vector<TokenId> ids = model.checkpoint().prompt(prompt, args.options.parse_special);
  std::vector<Generation> streams = model.generate_texts(ids, args.texts, args.options);
  if (args.tokens == 0U) return (void)streams[0].next();  // the prompt has been checked and computed
  for (Generation& stream : streams) {
    if (&stream != streams.data()) print_text("\n---\n");
    while (auto token = stream.next()) print_text(token->text);
  }
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
  add_count(verb, "--min-tokens", args->options.min_tokens, {0, most_32_bits},
            "no end of the text before so many (default 0)");
  add_count(verb, "--texts", args->texts, {1, most_parallel},
            "so many of them, with a line of --- between (default 1)");
  add_count(verb, "-s,--seed", args->seed, {0, std::numeric_limits<std::uint64_t>::max(), -1},
            "of the choices (default -1: drawn, and printed to standard error)");
  add_sampling(verb, args->sampling);
  add_spread(verb, args->flags);
}

}  // namespace troupe::cli
