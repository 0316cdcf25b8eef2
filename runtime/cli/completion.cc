#include "runtime/cli/manual.hpp"

namespace troupe::cli {
namespace {

/// Every `from` as `to`.
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string escaped(std::string text, const std::string& characters) {
  for (std::size_t at = text.find_first_of(characters); at != text.npos; at = text.find_first_of(characters, at + 2)) {
    text.insert(at, 1, '\\');
  }
  return text;
}

/// In single quotes, for a shell.
std::string quoted(const std::string& text) { return "'" + replaced(text, "'", "'\\''") + "'"; }

/// A flag as zsh's _arguments wants it: '(-m --model)'{-m,--model}'[help]:FILE:_files'.
std::string zsh_argument(const FlagText& flag) {
  const std::string takes = flag.type.empty() ? "" : ":" + flag.type + ":_files";
  std::string all, choice;
  for (const auto& name : flag.names) {
    if (!name.starts_with('-')) continue;
    all += (all.empty() ? "" : " ") + name;
    choice += (choice.empty() ? "" : ",") + name;
  }
  if (choice.find(',') != choice.npos) choice = "{" + choice + "}";
  return quoted("(" + all + ")") + choice + quoted("[" + escaped(flag.help, "[]:\\") + "]" + takes);
}

}  // namespace

std::string bash_completion(const Manual& manual) {
  std::string verbs, cases;
  for (const VerbText& verb : manual.verbs) {
    verbs += (verbs.empty() ? "" : " ") + verb.name;
    cases += "    " + verb.name + ") flags='";
    for (const FlagText& flag : verb.flags) {
      for (const auto& name : flag.names) cases += name.starts_with('-') ? name + " " : "";
    }
    cases.back() = '\'';
    cases += " ;;\n";
  }
  return "# bash completion for troupe\n"
         "_troupe() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} flags=\n"
         "  if [ \"$COMP_CWORD\" = 1 ]; then\n"
         "    mapfile -t COMPREPLY < <(compgen -W '" +
         verbs +
         " --help --version' -- \"$word\")\n"
         "    return\n"
         "  fi\n"
         "  case ${COMP_WORDS[1]} in\n" +
         cases +
         "  esac\n"
         "  case $word in\n"
         "    -*) mapfile -t COMPREPLY < <(compgen -W \"$flags\" -- \"$word\") ;;\n"
         "    *) mapfile -t COMPREPLY < <(compgen -f -- \"$word\") ;;\n"
         "  esac\n"
         "}\n"
         "complete -o filenames -F _troupe troupe\n";
}

std::string zsh_completion(const Manual& manual) {
  std::string verbs, cases;
  for (const VerbText& verb : manual.verbs) {
    verbs += "    " + quoted(verb.name + ":" + escaped(verb.summary, ":\\")) + "\n";
    cases += "    " + verb.name + ")\n      _arguments";
    for (const FlagText& flag : verb.flags) {
      if (flag.names.back().starts_with('-')) cases += " \\\n        " + zsh_argument(flag);
    }
    cases += " \\\n        '*:file:_files'\n      ;;\n";
  }
  return "#compdef troupe\n"
         "_troupe() {\n"
         "  local -a verbs\n"
         "  verbs=(\n" +
         verbs +
         "  )\n"
         "  if (( CURRENT == 2 )); then\n"
         "    _describe verb verbs\n"
         "    return\n"
         "  fi\n"
         "  shift words\n"
         "  (( CURRENT-- ))\n"
         "  case $words[1] in\n" +
         cases +
         "  esac\n"
         "}\n"
         "_troupe \"$@\"\n";
}

}  // namespace troupe::cli
