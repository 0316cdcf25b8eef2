#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "troupe/runtime.hpp"

namespace CLI {
class App;
}

namespace troupe::cli {

inline constexpr auto most_32_bits = std::numeric_limits<std::uint32_t>::max();
inline constexpr std::uint64_t most_parallel = 1024;  // as many requests as the queue of LoadOptions holds

/// What the help calls flags that no group has a better word for; they come first.
inline constexpr const char* no_group = "Options";

/// The group of flags that the help leaves to another page.
inline constexpr const char* further_flags = "Further sampling";

/// Of a flag that has been added: it is one of these.
void show_further(CLI::App& verb, const char* flag);

/// From here on, flags are of this group of the verb's help.
void begin_group(CLI::App& verb, const std::string& name = no_group);

/// Which whole numbers a flag takes.
struct Limits {
  std::uint64_t least = 1, most = most_32_bits;
  std::int64_t none = 0;           ///< negative: numbers from it to -1 are taken as well, as if the flag were not given
  std::string most_in_words = {};  ///< where `most` depends on the model
};

/// A flag that takes a whole number. `set` gets nothing for a negative one.
void add_whole(CLI::App& verb, const std::string& names, std::function<void(std::optional<std::uint64_t>)> set,
               const Limits& limits, const std::string& help);
template <class Target>
void add_count(CLI::App& verb, const std::string& names, Target& target, const Limits& limits,
               const std::string& help) {
  add_whole(
      verb, names, [&target](std::optional<std::uint64_t> number) { target = static_cast<Target>(*number); }, limits,
      help);
}
template <class Target>
void add_count(CLI::App& verb, const std::string& names, std::optional<Target>& target, const Limits& limits,
               const std::string& help) {
  const auto set = [&target](std::optional<std::uint64_t> number) {
    target.reset();
    if (number) target = static_cast<Target>(*number);
  };
  add_whole(verb, names, set, limits, help);
}

/// A flag that takes a number above or at `least` and up to `most`; `wanted` says so in words.
struct RealLimits {
  float least, most;
  std::string wanted;
};
void add_real(CLI::App& verb, const std::string& names, float& target, const RealLimits& limits,
              const std::string& help);

/// A flag that takes one of a few words, which are its type: "avx2|reference".
void add_choice(CLI::App& verb, const std::string& names, std::string& target, const std::vector<std::string>& choices,
                const std::string& help);

/// A flag that takes "on" or "off".
void add_on_off(CLI::App& verb, const std::string& names, bool& target, const std::string& help);

/// A flag that takes any text; `type` is what the help calls it.
void add_text(CLI::App& verb, const std::string& names, std::optional<std::string>& target, const std::string& type,
              const std::string& help);

/// The same, once for each of several.
void add_texts(CLI::App& verb, const std::string& names, std::vector<std::string>& target, const std::string& type,
               const std::string& help);

/// A flag that takes nothing.
void add_switch(CLI::App& verb, const std::string& names, bool& target, const std::string& help);

/// What a flag gives itself, or "-" from standard input, or a file.
struct Source {
  std::string flag;
  std::optional<std::string> given, file;
};

/// Adds the flag of a source, and -f.
void add_source(CLI::App& verb, const std::string& names, Source& source, const std::string& type,
                const std::string& help);

/// The bytes of a source, as they are. Throws Error where neither flag was given, or the file cannot be read.
std::string read(const Source& source);

/// Which model, and how it is spread and run.
struct ModelFlags {
  ModelFlags() { load.parallel = 1; }
  std::string model;                 ///< a file
  std::optional<std::string> graph;  ///< a file; none: the plan's graph
  LoadOptions load;                  ///< what opening and loading get
  std::optional<std::string> trace;  ///< a file for what the model's threads do
};

/// -m, --no-mmap and --ignore-key: what opening takes. `names` may add a positional name to -m; where it is not
/// `required`, the model may stay empty.
void add_model(CLI::App& verb, ModelFlags& flags, const std::string& names = "-m,--model", bool required = true);

/// --expert-capacity: of verbs that measure, for what is beyond it changes the bits.
void add_capacity(CLI::App& verb, ModelFlags& flags);

/// --lora, --plan and -t: what a graph comes from.
void add_plan(CLI::App& verb, ModelFlags& flags);

/// --trace: of verbs that run a model.
void add_trace(CLI::App& verb, ModelFlags& flags);

/// A flag that takes bytes: a whole number, behind which K, M or G may stand (of 1024).
void add_bytes(CLI::App& verb, const std::string& names, std::uint64_t& target, const std::string& help);

/// --lora, --plan, -t or --graph, -c -b --isa --fusion --kv-memory --prefix-cache: what a graph is run with.
void add_spread(CLI::App& verb, ModelFlags& flags);

}  // namespace troupe::cli
