#include "runtime/cli/manual.hpp"

#include <algorithm>

#include "runtime/cli/options.hpp"

namespace troupe::cli {
namespace {

constexpr std::size_t names_column = 26;

std::string line_of(std::string names, const std::string& description) {
  names.resize(std::max(names_column, names.size() + 2), ' ');
  return names.insert(0, 2, ' ').append(description).append(1, '\n');
}

std::string names_of(const FlagText& flag) {
  std::string names;
  for (const auto& name : flag.names) names += (names.empty() ? "" : ", ") + name;
  return flag.type.empty() ? names : names + " " + flag.type;
}

/// But for the one that shows them.
std::string flags_of(const VerbText& verb, bool further) {
  std::string text, group;
  for (const FlagText& flag : verb.flags) {
    if (flag.names[0] == "-h") continue;
    if ((flag.group == further_flags) != further) continue;
    if (flag.group != group) text += (group = flag.group) + ":\n";
    text += line_of(names_of(flag), flag.help);
  }
  return text;
}

std::string between(const std::string& start, const std::string& middle, const VerbText& verb, bool further = false) {
  return start + ": " + verb.summary + "\n\n" + middle + flags_of(verb, further) + "\nExample:\n  " + verb.example +
         "\n";
}

/// Text that roff takes as it is.
std::string roff(const std::string& text) {
  std::string out = text.starts_with('.') || text.starts_with('\'') ? "\\&" : "";
  for (const char c : text) out += c == '\\' ? "\\e" : c == '-' ? "\\-" : std::string(1, c);
  return out;
}

std::string roff_flags(const VerbText& verb) {
  std::string text;
  for (const FlagText& flag : verb.flags) text += ".TP\n.B " + roff(names_of(flag)) + "\n" + roff(flag.help) + "\n";
  return text;
}

}  // namespace

std::string help_of(const VerbText& verb, bool further) { return between("troupe " + verb.name, "", verb, further); }

std::string help_of(const Manual& manual) {
  std::string verbs;
  for (const VerbText& verb : manual.verbs) verbs += line_of(verb.name, verb.summary);
  return between("troupe", verbs, manual.command);
}

std::string man_page(const Manual& manual, const std::string& version) {
  std::string text = ".TH TROUPE 1 \"\" \"" + version + "\"\n.SH NAME\ntroupe \\- " + roff(manual.command.summary) +
                     "\n.SH SYNOPSIS\n.B troupe\n.I VERB\n[flags]\n.SH FLAGS\n" + roff_flags(manual.command) +
                     ".SH VERBS\n";
  for (const VerbText& verb : manual.verbs) {
    text += ".SS troupe " + verb.name + "\n" + roff(verb.summary) + "\n" + roff_flags(verb) +
            ".PP\nExample:\n.PP\n.nf\n" + roff(verb.example) + "\n.fi\n";
  }
  return text;
}

}  // namespace troupe::cli
