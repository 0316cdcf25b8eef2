#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "runtime/cli/options.hpp"
#include "runtime/cli/output.hpp"
#include "runtime/cli/verbs.hpp"
#include "troupe/error.hpp"

namespace troupe::cli {
namespace {

constexpr int ok = 0, failed = 1, wrong_use = 2;
constexpr std::size_t names_column = 26;

std::string line_of(std::string names, const std::string& description) {
  names.resize(std::max(names_column, names.size() + 2), ' ');
  return names.insert(0, 2, ' ').append(description).append(1, '\n');
}

std::string names_of(const CLI::Option& flag) {
  std::string names = flag.get_name(true, true);
  for (std::size_t comma = names.find(','); comma != std::string::npos; comma = names.find(',', comma + 1)) {
    names.insert(comma + 1, 1, ' ');
  }
  if (!flag.get_type_name().empty()) names.append(" ").append(flag.get_type_name());
  return names;
}

/// One line each for the summary, every verb and flag, and the example; or, for all of it, every flag that is not among
/// these because a screen would not hold it.
std::string help(const CLI::App* app, const std::string&, CLI::AppFormatMode mode) {
  std::string text = app->get_name().empty() ? "troupe" : "troupe " + app->get_name();
  text.append(": ").append(app->get_description()).append("\n\n");
  for (const CLI::App* verb : app->get_subcommands([](const CLI::App*) { return true; })) {
    text += line_of(verb->get_name(), verb->get_description());
  }
  for (const CLI::Option* flag : app->get_options()) {
    const bool further = flag->get_group() == further_flags;
    if (further == (mode == CLI::AppFormatMode::All)) text += line_of(names_of(*flag), flag->get_description());
  }
  return text.append("\nExample:\n  ").append(app->get_footer()).append("\n");
}

/// One line, whatever a file or a flag put into the message.
int complain(const std::string& message, int status) {
  std::fprintf(stderr, "troupe: %s\n", printable(message).c_str());
  return status;
}

bool takes_a_text(const CLI::App& verb, const std::string& name) {
  const CLI::Option* flag = name.starts_with('-') ? verb.get_option_no_throw(name) : nullptr;
  return flag != nullptr && flag->get_expected_min() > 0;
}

/// What follows the verb, last word first, as CLI11 wants it. "--flag=" becomes two words, the second empty: CLI11
/// would take the next one for it.
std::vector<std::string> words_of(const CLI::App& verb, int argc, char** argv) {
  std::vector<std::string> words;
  bool flags = true, is_text = false;
  for (std::string word : std::span(argv + 2, argv + argc)) {
    const bool is_flag = flags && !is_text;
    const bool cut = is_flag && word.ends_with('=') && takes_a_text(verb, word.substr(0, word.size() - 1));
    is_text = is_flag && takes_a_text(verb, word);
    flags = flags && (!is_flag || word != "--");
    words.push_back(cut ? word.substr(0, word.size() - 1) : word);
    if (cut) words.emplace_back();
  }
  std::reverse(words.begin(), words.end());
  return words;
}

/// A verb is parsed as a command of its own: among subcommands, CLI11 keeps "++" and the names of verbs for itself.
int run_verb(CLI::App& verb, int argc, char** argv) {
  try {
    verb.parse(words_of(verb, argc, argv));
    return ok;
  } catch (const CLI::CallForHelp&) {
    print(verb.help());
    return ok;
  } catch (const CLI::CallForAllHelp&) {
    print(verb.help("", CLI::AppFormatMode::All));
    return ok;
  } catch (const CLI::ParseError& error) {
    return complain(error.what() + ("; see troupe " + verb.get_name()) + " --help", wrong_use);
  }
}

int run_command(int argc, char** argv) {
  CLI::App command("runs large language models as a troupe of actors");
  command.formatter_fn(help);
  command.set_help_flag("-h,--help", "this text");
  command.set_version_flag("--version", "troupe " TROUPE_VERSION, "what this build is");
  command.footer("troupe run -m MODEL.gguf -p 'The capital of France is' -n 32 --plan pp2");
  for (auto add : {add_run, add_inspect, add_tokenize, add_render, add_logits, add_bench, add_graph}) add(command);
  const std::string name = argc < 2 ? "" : argv[1];
  const auto verbs = command.get_subcommands([&name](const CLI::App* verb) { return verb->get_name() == name; });
  if (!verbs.empty()) return run_verb(*verbs.front(), argc, argv);
  if (name == "-h" || name == "--help") return print(command.help()), ok;
  if (name == "--version") return print(command.version() + "\n"), ok;
  return complain((name.empty() ? "which verb?" : "\"" + name + "\" is no verb; they are") +
                      " run, inspect, tokenize, render, logits, bench or graph",
                  wrong_use);
}

/// What came of the command, as its exit code; what went wrong, as one line on standard error.
int exit_code(int argc, char** argv) {
  try {
    return run_command(argc, argv);
  } catch (const ReaderGone&) {
    return ok;  // `troupe … | head` has seen what it wanted
  } catch (const Error& error) {
    return complain(error.message(), error.code() == Code::invalid_argument ? wrong_use : failed);
  } catch (const std::bad_alloc&) {
    return complain("out of memory", failed);
  } catch (const std::exception& error) {
    return complain(error.what(), failed);
  }
}

}  // namespace

CLI::App& add_verb(CLI::App& command, const std::string& name, const std::string& summary, const std::string& example,
                   std::function<void()> action) {
  CLI::App& verb = *command.add_subcommand(name, summary)->footer(example)->callback(std::move(action));
  verb.get_help_ptr()->description("this text");
  return verb;
}

}  // namespace troupe::cli

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that left is met where standard output is written
  return troupe::cli::exit_code(argc, argv);
}
