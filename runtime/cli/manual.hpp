#pragma once

#include <string>
#include <vector>

namespace troupe::cli {

/// A flag as people read of it. A positional one's names do not begin with a dash.
struct FlagText {
  std::vector<std::string> names;  ///< "-m", "--model"
  std::string type, help;          ///< "FILE", "on|off"; empty: it takes nothing
  std::string group;
  bool repeats = false;  ///< may be given once for each of several
};

/// A verb, or the command itself, and its flags in groups: those of one follow each other.
struct VerbText {
  std::string name, summary, example;
  std::vector<FlagText> flags;
};

/// All that --help, completion and the man page are made from.
struct Manual {
  VerbText command;
  std::vector<VerbText> verbs;
};

/// What --help prints of a verb: one line for the summary and each flag, and the example; or, `further`, what
/// --help-sampling does, of the flags that would not find room on that screen (further_flags).
std::string help_of(const VerbText& verb, bool further = false);
std::string help_of(const Manual& manual);

/// Scripts that complete verbs, flags and files: for bash to source, and for zsh's fpath.
std::string bash_completion(const Manual& manual);
std::string zsh_completion(const Manual& manual);

/// troupe(1), in roff's man macros. https://man7.org/linux/man-pages/man7/groff_man.7.html
std::string man_page(const Manual& manual, const std::string& version);

}  // namespace troupe::cli
