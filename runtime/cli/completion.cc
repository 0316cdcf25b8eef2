#include <algorithm>

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

bool takes_file(const FlagText& flag) { return flag.type.starts_with("FILE"); }

/// The words that a flag takes, with spaces between them; empty where it takes whatever else.
std::string choices_of(const FlagText& flag) {
  return flag.type.find('|') == flag.type.npos ? "" : replaced(flag.type, "|", " ");
}

/// Its names with a dash; empty where it has none.
std::string names_of(const FlagText& flag, const std::string& between) {
  std::string all;
  for (const auto& name : flag.names) {
    if (name.starts_with('-')) all += (all.empty() ? "" : between) + name;
  }
  return all;
}

/// What it is that a verb takes without a flag; null where that is a file, or nothing.
const FlagText* word_of(const VerbText& verb) {
  const auto is_word = [](const FlagText& flag) { return !flag.names.back().starts_with('-') && !takes_file(flag); };
  const auto found = std::find_if(verb.flags.begin(), verb.flags.end(), is_word);
  return found == verb.flags.end() ? nullptr : &*found;
}

/// A flag as zsh's _arguments wants it: '(-m --model)'{-m,--model}'[help]:FILE:_files'. One that repeats excludes none.
std::string zsh_argument(const FlagText& flag) {
  const std::string choices = choices_of(flag);
  const std::string offered = takes_file(flag) ? "_files" : choices.empty() ? " " : "(" + choices + ")";
  const std::string takes = flag.type.empty() ? "" : ":" + escaped(flag.type, ":\\") + ":" + offered;
  std::string names = names_of(flag, ",");
  if (names.find(',') != names.npos) names = "{" + names + "}";
  return quoted(flag.repeats ? "*" : "(" + names_of(flag, " ") + ")") + names +
         quoted("[" + escaped(flag.help, "[]:\\") + "]" + takes);
}

/// The end of a verb's case: what is offered behind it and its flags, where that is something else than a file.
std::string bash_takes(const VerbText& verb) {
  std::string cases;
  for (const FlagText& flag : verb.flags) {
    const std::string names = names_of(flag, "|");
    if (flag.type.empty() || takes_file(flag) || names.empty()) continue;
    cases += "        " + names + ") takes='" + choices_of(flag) + "' ;;\n";
  }
  if (const FlagText* const word = word_of(verb)) {
    cases += "        " + verb.name + ") takes=\"" + choices_of(*word) + " $flags\" ;;\n";
  }
  return "\n      case $before in\n" + cases + "      esac ;;\n";
}

}  // namespace

std::string bash_completion(const Manual& manual) {
  std::string verbs, cases;
  for (const VerbText& verb : manual.verbs) {
    verbs += (verbs.empty() ? "" : " ") + verb.name;
    cases += "    " + verb.name + ") flags='";
    for (const FlagText& flag : verb.flags) {
      if (const std::string names = names_of(flag, " "); !names.empty()) cases += names + " ";
    }
    cases.back() = '\'';
    cases += bash_takes(verb);
  }
  return "# bash completion for troupe\n"
         "_troupe() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} flags= takes=FILE\n"
         "  if [ \"$COMP_CWORD\" = 1 ]; then\n"
         "    mapfile -t COMPREPLY < <(compgen -W '" +
         verbs +
         " --help --version' -- \"$word\")\n"
         "    return\n"
         "  fi\n"
         "  case ${COMP_WORDS[1]} in\n" +
         cases +
         "  esac\n"
         "  if [ \"$takes\" != FILE ]; then\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$takes\" -- \"$word\")\n"
         "    return\n"
         "  fi\n"
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
    const FlagText* const word = word_of(verb);
    cases += " \\\n        " + quoted(word != nullptr ? ":word:(" + choices_of(*word) + ")" : "*:file:_files");
    cases += "\n      ;;\n";
  }
  return "#compdef troupe\n"
         "_troupe() {\n"
         "  local -a verbs\n"
         "  verbs=(\n" +
         verbs +
         "  )\n"
         "  if (( CURRENT == 2 )); then\n"
         "    _describe verb verbs\n"
         "    [[ $PREFIX != -* ]] || compadd -- --help --version\n"
         "    return\n"
         "  fi\n"
         "  shift words\n"
         "  (( CURRENT-- ))\n"
         "  case $words[1] in\n" +
         cases +
         "  esac\n"
         "}\n"
         "# As a file of fpath it is the function itself; otherwise it is sourced.\n"
         "if [[ $funcstack[1] == _troupe ]]; then _troupe \"$@\"; else compdef _troupe troupe; fi\n";
}

}  // namespace troupe::cli
