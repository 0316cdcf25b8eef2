#include "runtime/cli/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <vector>

#include "runtime/cli/input.hpp"

namespace troupe::cli {
namespace {

[[noreturn]] void refuse(const std::string& names, const std::string& wanted, const std::string& text) {
  const std::string flag = names.substr(0, names.find(','));
  throw CLI::ValidationError(flag + " wants " + wanted + ", not '" + text + "'");
}

template <class Number>
std::optional<Number> parse(const std::string& text) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return {};
  return number;
}

std::string joined(const std::vector<std::string>& words, const std::string& between) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

}  // namespace

void add_whole(CLI::App& verb, const std::string& names, std::function<void(std::uint64_t)> set, Limits limits,
               const std::string& help) {
  const std::string wanted =
      "a whole number from " + std::to_string(limits.least) + " to " + std::to_string(limits.most);
  auto read = [names, set = std::move(set), limits, wanted](const std::string& text) {
    const auto number = parse<std::uint64_t>(text);
    if (!number || *number < limits.least || *number > limits.most) refuse(names, wanted, text);
    set(*number);
  };
  verb.add_option_function<std::string>(names, read, help)->type_name("N");
}

void add_real(CLI::App& verb, const std::string& names, float& target, const RealLimits& limits,
              const std::string& help) {
  auto read = [names, &target, limits](const std::string& text) {
    const auto number = parse<float>(text);
    const bool fits = number && *number >= limits.least && *number <= limits.most;  // false for NaN as well
    if (!fits) refuse(names, limits.wanted, text);
    target = *number;
  };
  verb.add_option_function<std::string>(names, read, help)->type_name("X");
}

void add_choice(CLI::App& verb, const std::string& names, std::string& target,
                std::initializer_list<std::string> choices, const std::string& help) {
  auto read = [names, &target, words = std::vector<std::string>(choices)](const std::string& text) {
    if (std::find(words.begin(), words.end(), text) == words.end()) refuse(names, joined(words, " or "), text);
    target = text;
  };
  verb.add_option_function<std::string>(names, read, help)->type_name("WORD");
}

void add_text(CLI::App& verb, const std::string& names, std::optional<std::string>& target, const std::string& type,
              const std::string& help) {
  verb.add_option(names, target, help)->type_name(type);
}

void add_switch(CLI::App& verb, const std::string& names, bool& target, const std::string& help) {
  verb.add_flag(names, target, help);
}

void add_source(CLI::App& verb, const std::string& names, Source& source, const std::string& type,
                const std::string& help) {
  CLI::Option* given = verb.add_option(names, source.given, help)->type_name(type);
  source.flag = given->get_name(given->get_positional());
  verb.add_option("-f,--file", source.file, "the same from a file, byte for byte ('-': standard input)")
      ->type_name("FILE")
      ->excludes(given);
}

std::string read(const Source& source) {
  if (source.file) return read_file(*source.file);
  if (!source.given) throw Error(Code::invalid_argument, "nothing to read: give " + source.flag + " or -f FILE");
  return *source.given == "-" ? read_file("-") : *source.given;
}

void add_model(CLI::App& verb, ModelFlags& flags, const std::string& names) {
  verb.add_option(names, flags.model, "the model, a GGUF file")->type_name("FILE")->required();
}

void add_plan(CLI::App& verb, ModelFlags& flags) {
  const std::string wanted = "a product of dp, tp and pp, as pp2.tp2";
  auto read = [&flags, wanted](const std::string& plan) {
    if (plan.empty()) refuse("--plan", wanted, plan);  // to LoadOptions it is one shard, to who wrote it a mistake
    flags.load.plan = plan;
  };
  add_count(verb, "-t,--threads", flags.load.threads, {1, 4096}, "threads of each shard (default: cores / ranks)");
  verb.add_option_function<std::string>("--plan", read, wanted + " or pp20:10 (default: one shard)")->type_name("PLAN");
}

void add_spread(CLI::App& verb, ModelFlags& flags) {
  LoadOptions& load = flags.load;
  add_plan(verb, flags);
  verb.add_option("--graph", flags.graph, "a graph instead of a plan, as `troupe graph -o toml` writes it")
      ->type_name("FILE")
      ->excludes(verb.get_option("--plan"));
  add_count(verb, "-c,--ctx-size", load.context, {0, most_32_bits},
            "positions of a sequence (default 0: the model's own)");
  add_count(verb, "-b,--chunk", load.chunk, {}, "tokens of a prefill chunk (default 512)");
  add_choice(verb, "--isa", load.isa, {"avx2", "avx512", "reference"},
             "avx2, avx512 or reference (default: the best that this processor has)");
  auto fusion = [&load](const std::string& text) {
    if (text != "on" && text != "off") refuse("--fusion", "on or off", text);
    load.fusion = text == "on";
  };
  verb.add_option_function<std::string>("--fusion", fusion, "on: fused ops (default); off: plain ones")
      ->type_name("WORD");
}

}  // namespace troupe::cli
