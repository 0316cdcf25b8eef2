#include <memory>

#include "runtime/cli/input.hpp"
#include "runtime/cli/loading.hpp"
#include "runtime/cli/options.hpp"
#include "runtime/cli/output.hpp"
#include "runtime/cli/verbs.hpp"
#include "troupe/chat.hpp"

namespace troupe::cli {
namespace {

struct Render {
  ModelFlags flags;
  std::optional<std::string> chat_template, messages, tools, date;
  bool no_generation_prompt = false;
};

ChatFormat wanted_format(const Render& args) {
  if (args.flags.model.empty() == !args.chat_template) {
    throw Error(Code::invalid_argument, "which template? Give either --model or --template");
  }
  if (!args.messages) throw Error(Code::invalid_argument, "which conversation? --messages FILE is missing");
  if (args.chat_template) return {.chat_template = read_file(*args.chat_template)};
  return format_of(open_tokenizer(args.flags));
}

void render(const Render& args) {
  const ChatFormat format = wanted_format(args);
  ChatOptions options;
  if (args.tools) options.tools = read_file(*args.tools);
  options.generation_prompt = !args.no_generation_prompt;
  options.date = args.date.value_or("");
  print_text(render_chat(format, read_file(*args.messages), options));
  end_line_on_terminal();
}

}  // namespace

void add_render(CLI::App& command) {
  auto args = std::make_shared<Render>();
  CLI::App& verb = add_verb(command, "render", "prints what a chat template makes of a conversation",
                            "troupe render -m MODEL.gguf --messages chat.json", [args] { render(*args); });
  add_model(verb, args->flags, "-m,--model", false);
  add_text(verb, "--template", args->chat_template, "FILE", "a template instead of a model's own");
  add_text(verb, "--messages", args->messages, "FILE", "a list of messages in OpenAI's JSON ('-': standard input)");
  add_text(verb, "--tools", args->tools, "FILE", "a list of tools in OpenAI's JSON");
  add_switch(verb, "--no-generation-prompt", args->no_generation_prompt, "without the beginning of an answer");
  add_text(verb, "--date", args->date, "DATE", "for templates that name the day, like 2026-01-31 (default: today)");
}

}  // namespace troupe::cli
