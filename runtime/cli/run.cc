#include <memory>
#include <utility>

#include "runtime/cli/generating.hpp"
#include "runtime/cli/loading.hpp"
#include "runtime/cli/options.hpp"
#include "runtime/cli/output.hpp"
#include "runtime/cli/verbs.hpp"

namespace troupe::cli {
namespace {

struct Run {
  ModelFlags flags;
  Source prompt;
  GenerateFlags generate;
};

void run(const Run& args) {
  const std::string prompt = read(args.prompt);
  const Runtime runtime;
  const Model model = load(runtime, args.flags);
  Generation stream = model.generate(prompt, options_of(args.generate));
  if (args.generate.tokens == 0U) return (void)stream.next();  // the prompt has been checked and computed
  (void)print_stream(std::move(stream));
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
  add_on_off(verb, "--parse-special", args->generate.options.parse_special,
             "off: special tokens in it are plain text (default on)");
  add_generate(verb, args->generate);
  add_spread(verb, args->flags);
}

}  // namespace troupe::cli
