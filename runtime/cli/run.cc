#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/cli/batch.hpp"
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
  bool chat = false, timings = isatty(STDERR_FILENO) != 0;
  std::optional<std::string> system;
  std::uint32_t texts = 1;
};

bool is_batch(const Run& args) { return args.prompt.file && args.prompt.file->ends_with(".jsonl"); }

void check_flags(const Run& args, const std::vector<BatchLine>& lines) {
  if (args.texts > 1 && is_batch(args)) {
    throw Error(Code::invalid_argument, "--texts is for one prompt; a batch has a line for each text");
  }
  if (!args.system) return;
  if (!args.chat) throw Error(Code::invalid_argument, "--system is part of a conversation: give --chat");
  if (std::any_of(lines.begin(), lines.end(), [](const BatchLine& line) { return !line.messages.empty(); })) {
    throw Error(Code::invalid_argument, "--system is for prompts, and the batch has messages: say it among them");
  }
}

/// What is to be run: one prompt, or a file of them. With --chat prompts are messages of a user's.
std::vector<BatchLine> lines_of(const Run& args) {
  const std::string text = read(args.prompt);
  std::vector<BatchLine> lines = is_batch(args) ? parse_batch(text) : std::vector{BatchLine{text, ""}};
  check_flags(args, lines);
  for (BatchLine& line : lines) {
    if (!args.chat || !line.messages.empty()) continue;
    Conversation conversation;
    conversation.set_system(args.system.value_or(""));
    conversation.add("user", line.prompt);
    line.messages = conversation.json();
  }
  return lines;
}

/// Makes prompts of lines.
std::function<std::vector<TokenId>(const BatchLine&)> prompt_maker(const Run& args, const Checkpoint& checkpoint,
                                                                   const std::vector<BatchLine>& lines) {
  const bool chat = std::any_of(lines.begin(), lines.end(), [](const auto& line) { return !line.messages.empty(); });
  const ChatFormat format = chat ? format_of(checkpoint) : ChatFormat();
  return [checkpoint, format, parse_special = args.generate.options.parse_special](const BatchLine& line) {
    return line.messages.empty() ? checkpoint.prompt(line.prompt, parse_special)
                                 : chat_prompt(checkpoint, format, line.messages);
  };
}

void run_lines(const Run& args, const Model& model, const std::vector<BatchLine>& lines) {
  const auto start = std::chrono::steady_clock::now();
  const GenerateOptions options = options_of(args.generate);
  say_seed(args.generate, options);
  const std::size_t failed = run_batch(model, lines, prompt_maker(args, model.checkpoint(), lines), options,
                                       args.flags.load.parallel, args.generate.tokens != 0U);
  if (args.timings) say(batch_timings_of(model.stats(), std::chrono::steady_clock::now() - start));
  if (failed > 0) throw Error(Code::failed, std::to_string(failed) + " of " + std::to_string(lines.size()) + " failed");
}

/// Texts of one prompt, one after the other, though they are made at once.
void print_texts(const Run& args, const Model& model, const std::vector<TokenId>& prompt) {
  const GenerateOptions options = options_of(args.generate);
  std::vector<Generation> streams = model.generate_texts(prompt, args.texts, options);
  say_seed(args.generate, options);
  if (args.generate.tokens == 0U) return (void)streams.front().next();  // the prompt has been checked and computed
  Answer answer;
  for (Generation& stream : streams) {
    if (&stream != streams.data()) print_text("\n---\n");
    answer = print_stream(std::move(stream));
  }
  end_line_on_terminal();
  if (args.timings) say(timings_of(answer, context_of(model.checkpoint(), args.flags.load)));
}

void run(Run& args) {
  args.flags.load.parallel = std::max(args.flags.load.parallel, args.texts);
  const std::vector<BatchLine> lines = lines_of(args);
  const Runtime runtime;
  const TraceFile trace(args.flags);
  const Model model = load(runtime, args.flags);
  if (is_batch(args)) {
    run_lines(args, model, lines);
  } else {
    print_texts(args, model, prompt_maker(args, model.checkpoint(), lines)(lines.front()));
  }
  trace.write(model);
}

}  // namespace

void add_run(CLI::App& command) {
  auto args = std::make_shared<Run>();
  CLI::App& verb = add_verb(command, "run", "streams the text that a model writes after a prompt",
                            "troupe run -m MODEL.gguf --chat -p 'Why is the sky blue?'", [args] { run(*args); });
  add_source(verb, "-p,--prompt", args->prompt, "TEXT", "the prompt; special tokens in it count ('-': standard input)");
  add_on_off(verb, "--parse-special", args->generate.options.parse_special,
             "off: special tokens in it are plain text (default on)");
  add_switch(verb, "--chat", args->chat, "the prompt is a user's message, written as the model's template wants it");
  add_text(verb, "--system", args->system, "TEXT", "with --chat: what the model is told before it");
  add_count(verb, "--parallel", args->flags.load.parallel, {1, most_parallel},
            "of -f FILE.jsonl, {\"prompt\": …} or {\"messages\": […]} a line, at once");
  add_count(verb, "--texts", args->texts, {1, most_parallel},
            "so many of a prompt, with a line of --- between (default 1)");
  add_switch(verb, "--timings", args->timings, "how fast it was, on standard error (a terminal gets it always)");
  add_trace(verb, args->flags);
  add_model(verb, args->flags);
  add_generate(verb, args->generate);
  add_spread(verb, args->flags);
}

}  // namespace troupe::cli
