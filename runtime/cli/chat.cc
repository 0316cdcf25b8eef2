#include <unistd.h>

#include <algorithm>
#include <memory>

#include "runtime/cli/chat_session.hpp"
#include "runtime/cli/interrupts.hpp"
#include "runtime/cli/line_editor.hpp"
#include "runtime/cli/loading.hpp"
#include "runtime/cli/options.hpp"
#include "runtime/cli/output.hpp"
#include "runtime/cli/verbs.hpp"

namespace troupe::cli {
namespace {

struct Chat {
  ModelFlags flags;
  GenerateFlags generate;
  std::optional<std::string> system;
};

struct Command {
  std::string name, takes, help;
  void (*act)(ChatSession& session, const std::string& argument);
};

void show_help(ChatSession&, const std::string&);

const std::vector<Command>& commands() {
  static const std::vector<Command> all = {
      {"/system", "TEXT", "what the model is told before everything else; without a text, nothing",
       [](ChatSession& session, const std::string& text) { session.set_system(text); }},
      {"/retry", "", "another answer to the last question; without --temp it is the same",
       [](ChatSession& session, const std::string&) { session.retry(); }},
      {"/undo", "", "takes the last question and its answer back",
       [](ChatSession& session, const std::string&) { session.undo(); }},
      {"/save", "FILE", "writes the conversation as JSON, a list of messages in OpenAI's form",
       [](ChatSession& session, const std::string& file) { session.save(file); }},
      {"/load", "FILE", "goes on with such a conversation",
       [](ChatSession& session, const std::string& file) { session.load(file); }},
      {"/stats", "", "how fast the last answer was",
       [](ChatSession& session, const std::string&) { say(session.stats()); }},
      {"/help", "", "this text", show_help},
      {"/exit", "", "ends the program, as ctrl-D does", nullptr},
  };
  return all;
}

void show_help(ChatSession&, const std::string&) {
  std::vector<std::string> names;
  std::size_t width = 0;
  for (const Command& command : commands()) {
    names.push_back(command.name + (command.takes.empty() ? "" : " " + command.takes));
    width = std::max(width, names.back().size());
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    say("  " + names[i] + std::string(width - names[i].size(), ' ') + "  " + commands()[i].help + "\n");
  }
  say("A line that ends in a backslash goes on in the next. ctrl-C stops an answer.\n");
}

/// Whoever types: on a terminal with editing, else plain lines.
class Reader {
 public:
  explicit Reader(Interrupts* interrupts) : interrupts_(interrupts) {
    if (interrupts_ != nullptr) editor_ = std::make_unique<LineEditor>();
  }

  /// A message: lines but for the last end in a backslash. On a terminal ctrl-C begins it anew.
  Input read(std::string& message) {
    message.clear();
    std::string line;
    for (bool more = true; more;) {
      const Input input = read_line(message.empty() ? "> " : ". ", line);
      if (input != Input::line && (input == Input::interrupted || message.empty())) return input;
      more = input == Input::line && line.ends_with('\\');
      message += more ? line.substr(0, line.size() - 1) + "\n" : line;
    }
    return Input::line;
  }

 private:
  Input read_line(const char* prompt, std::string& line) {
    if (!editor_) return read_plain_line(line);
    const Input input = editor_->read(prompt, line);
    interrupts_->clear();
    if (input != Input::line) print("\n");
    return input;
  }

  Interrupts* interrupts_;
  std::unique_ptr<LineEditor> editor_;
};

void obey(ChatSession& session, const Command& command, const std::string& argument) {
  if (argument.empty() && command.takes == "FILE") throw Error(Code::invalid_argument, command.name + " wants a FILE");
  if (!argument.empty() && command.takes.empty()) {
    throw Error(Code::invalid_argument, command.name + " takes nothing behind it");
  }
  command.act(session, argument);
}

/// Does what a message asks for; false: to end.
bool take(ChatSession& session, const std::string& message) {
  if (message.find_first_not_of(" \t\n") == message.npos) return true;
  if (!message.starts_with('/')) return session.ask(message), true;
  const std::size_t space = message.find_first_of(" \n");
  const std::string name = message.substr(0, space);
  if (name == "/exit") return false;
  const auto command = std::find_if(commands().begin(), commands().end(), [&](auto& one) { return one.name == name; });
  if (command == commands().end()) {
    throw Error(Code::invalid_argument,
                name + " is no command; /help lists them. A space before it makes it part of a message");
  }
  obey(session, *command, space == message.npos ? "" : message.substr(space + 1));
  return true;
}

/// On a terminal a mistake is said, and the conversation goes on; a script ends with it.
bool take_from_person(ChatSession& session, const std::string& message) {
  try {
    return take(session, message);
  } catch (const Error& error) {
    say("troupe: " + printable(error.message()) + "\n");
    return true;
  }
}

void converse(ChatSession& session, Interrupts* interrupts) {
  Reader reader(interrupts);
  std::string message;
  for (Input input; (input = reader.read(message)) != Input::ended;) {
    if (input == Input::interrupted) continue;
    if (!(interrupts != nullptr ? take_from_person : take)(session, message)) return;
  }
}

void chat(const Chat& args) {
  if (args.generate.tokens == 0U) throw Error(Code::invalid_argument, "-n 0 leaves no room for an answer");
  const Runtime runtime;
  const Model model = load(runtime, args.flags);
  std::optional<Interrupts> interrupts;
  if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) interrupts.emplace();
  std::function<bool()> stop;
  if (interrupts) stop = [&interrupts] { return interrupts->came(); };
  const GenerateOptions options = options_of(args.generate);
  say_seed(args.generate, options);
  ChatSession session(model, format_of(model.checkpoint()), options, context_of(model.checkpoint(), args.flags.load),
                      stop);
  session.set_system(args.system.value_or(""));
  if (interrupts) say("/help lists what can be typed beside messages; ctrl-D ends\n");
  converse(session, interrupts ? &*interrupts : nullptr);
}

}  // namespace

void add_chat(CLI::App& command) {
  auto args = std::make_shared<Chat>();
  CLI::App& verb =
      add_verb(command, "chat", "talks with a model, at a terminal or line by line from standard input",
               "troupe chat -m MODEL.gguf --temp 0.7 --system 'Answer in one sentence.'", [args] { chat(*args); });
  add_model(verb, args->flags);
  add_text(verb, "--system", args->system, "TEXT", "what the model is told before everything else");
  add_generate(verb, args->generate);
  add_spread(verb, args->flags);
}

}  // namespace troupe::cli
