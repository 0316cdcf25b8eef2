#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "runtime/cli/manual.hpp"
#include "runtime/cli/options.hpp"
#include "runtime/cli/output.hpp"
#include "runtime/cli/verbs.hpp"
#include "troupe/error.hpp"

namespace troupe::cli {
namespace {

constexpr int ok = 0, failed = 1, wrong_use = 2;

std::vector<std::string> words_between_commas(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream rest(text);
  for (std::string word; std::getline(rest, word, ',');) words.push_back(word);
  return words;
}

/// Its flags, group by group: first those that are in none, then as the groups first come.
VerbText described(const CLI::App& verb) {
  VerbText text{verb.get_name(), verb.get_description(), verb.get_footer(), {}};
  std::vector<std::vector<FlagText>> groups(1);
  for (const CLI::Option* flag : verb.get_options()) {
    const std::string group = flag->get_group() == no_group ? "" : flag->get_group();
    const auto same = [&](const auto& one) { return group.empty() || (!one.empty() && one.front().group == group); };
    auto place = std::find_if(groups.begin(), groups.end(), same);
    if (place == groups.end()) place = groups.emplace(place);
    place->push_back({words_between_commas(flag->get_name(true, true)), flag->get_type_name(), flag->get_description(),
                      group, flag->get_trigger_on_parse()});
  }
  for (const auto& group : groups) text.flags.insert(text.flags.end(), group.begin(), group.end());
  return text;
}

Manual manual_of(const CLI::App& command) {
  Manual manual{described(command), {}};
  for (const CLI::App* verb : command.get_subcommands([](const CLI::App*) { return true; })) {
    manual.verbs.push_back(described(*verb));
  }
  return manual;
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

void add_completion(CLI::App& command) {
  auto shell = std::make_shared<std::string>();
  auto action = [shell, &command] {
    print(*shell == "bash" ? bash_completion(manual_of(command)) : zsh_completion(manual_of(command)));
  };
  CLI::App& verb = add_verb(command, "completion", "prints a script by which a shell completes this command's flags",
                            "source <(troupe completion bash)", action);
  add_choice(verb, "SHELL", *shell, {"bash", "zsh"}, "bash or zsh");
  verb.get_option("SHELL")->required();
}

void add_man(CLI::App& command) {
  add_verb(command, "man", "prints the manual's page, for man", "troupe man | man -l -",
           [&command] { print(man_page(manual_of(command), command.version())); });
}

/// A verb is parsed as a command of its own: among subcommands, CLI11 keeps "++" and the names of verbs for itself.
int run_verb(CLI::App& verb, int argc, char** argv) {
  try {
    verb.parse(words_of(verb, argc, argv));
    return ok;
  } catch (const CLI::CallForHelp&) {
    print(help_of(described(verb)));
    return ok;
  } catch (const CLI::CallForAllHelp&) {
    print(help_of(described(verb), true));
    return ok;
  } catch (const CLI::ParseError& error) {
    return complain(error.what() + ("; see troupe " + verb.get_name()) + " --help", wrong_use);
  }
}

int run_command(int argc, char** argv) {
  CLI::App command("runs large language models as a troupe of actors");
  command.set_help_flag("-h,--help", "this text");
  command.set_version_flag("--version", "troupe " TROUPE_VERSION, "what this build is");
  command.footer("troupe run -m MODEL.gguf -p 'The capital of France is' -n 32 --plan pp2");
  for (auto add : {add_run, add_chat, add_inspect, add_tokenize, add_render, add_logits, add_perplexity, add_bench,
                   add_graph, add_trace_summary, add_completion, add_man}) {
    add(command);
  }
  const std::string name = argc < 2 ? "" : argv[1];
  const auto verbs = command.get_subcommands([&name](const CLI::App* verb) { return verb->get_name() == name; });
  if (!verbs.empty()) return run_verb(*verbs.front(), argc, argv);
  if (name == "-h" || name == "--help") return print(help_of(manual_of(command))), ok;
  if (name == "--version") return print(command.version() + "\n"), ok;
  return complain((name.empty() ? "which verb?" : "\"" + name + "\" is no verb;") + " see troupe --help", wrong_use);
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
