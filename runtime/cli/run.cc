#include <memory>
#include <utility>

#include "runtime/cli/conversation.hpp"
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
  bool chat = false;
  std::optional<std::string> system;
};

std::vector<TokenId> ids_of(const Run& args, const Checkpoint& checkpoint, const std::string& text) {
  if (!args.chat) return checkpoint.prompt(text, args.generate.options.parse_special);
  Conversation conversation;
  conversation.set_system(args.system.value_or(""));
  conversation.add("user", text);
  return chat_prompt(checkpoint, format_of(checkpoint), conversation.json());
}

void run(const Run& args) {
  if (args.system && !args.chat) throw Error(Code::invalid_argument, "--system is part of a conversation: give --chat");
  const std::string prompt = read(args.prompt);
  const Runtime runtime;
  const Model model = load(runtime, args.flags);
  Generation stream = model.generate(ids_of(args, model.checkpoint(), prompt), options_of(args.generate));
  if (args.generate.tokens == 0U) return (void)stream.next();  // the prompt has been checked and computed
  (void)print_stream(std::move(stream));
  end_line_on_terminal();
}

}  // namespace

void add_run(CLI::App& command) {
  auto args = std::make_shared<Run>();
  CLI::App& verb = add_verb(command, "run", "streams the text that a model writes after a prompt",
                            "troupe run -m MODEL.gguf --chat -p 'Why is the sky blue?'", [args] { run(*args); });
  add_model(verb, args->flags);
  add_source(verb, "-p,--prompt", args->prompt, "TEXT", "the prompt; special tokens in it count ('-': standard input)");
  add_on_off(verb, "--parse-special", args->generate.options.parse_special,
             "off: special tokens in it are plain text (default on)");
  add_switch(verb, "--chat", args->chat, "the prompt is a user's message, written as the model's template wants it");
  add_text(verb, "--system", args->system, "TEXT", "with --chat: what the model is told before it");
  add_generate(verb, args->generate);
  add_spread(verb, args->flags);
}

}  // namespace troupe::cli
