#include "runtime/cli/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <sstream>
#include <vector>

#include "runtime/cli/input.hpp"
#include "runtime/cli/model_names.hpp"

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

using Read = std::function<void(const std::string&)>;

/// A flag that takes one text, which `read` gets as it is: CLI11's own conversions know texts that mean something else.
CLI::Option* add_taking(CLI::App& verb, const std::string& names, Read read, const std::string& help,
                        const std::string& type) {
  const auto once = [read = std::move(read), names](const CLI::results_t& texts) {
    if (texts.size() > 1) refuse(names, "one value", joined(texts, "' and '"));
    read(texts.front());
    return true;
  };
  CLI::Option* flag = verb.add_option(names, CLI::callback_t(once), help)->type_name(type)->type_size(1)->expected(1);
  return flag->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);  // so that `once` sees them
}

Read to(std::optional<std::string>& target) {
  return [&target](const std::string& text) { target = text; };
}

/// What stands behind the last colon is the scale where it is a number.
AdapterFile adapter_of(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const auto scale = colon == text.npos ? std::nullopt : parse<float>(text.substr(colon + 1));
  return scale ? AdapterFile{text.substr(0, colon), *scale} : AdapterFile{text};
}

constexpr const char* wanted_capacity = "drop or reroute, and :FACTOR above 0, as drop:1.25";

ExpertCapacity capacity_of(const std::string& text) {
  const std::size_t colon = std::min(text.find(':'), text.size());
  const std::string beyond = text.substr(0, colon);
  ExpertCapacity capacity;
  if (beyond != "drop" && beyond != "reroute") refuse("--expert-capacity", wanted_capacity, text);
  capacity.beyond = beyond == "drop" ? ExpertCapacity::Beyond::drop : ExpertCapacity::Beyond::reroute;
  if (colon == text.size()) return capacity;
  const auto factor = parse<float>(text.substr(colon + 1));
  if (!factor || !(*factor > 0)) refuse("--expert-capacity", wanted_capacity, text);
  capacity.factor = *factor;
  return capacity;
}

}  // namespace

void show_further(CLI::App& verb, const char* flag) { verb.get_option(flag)->group(further_flags); }

void begin_group(CLI::App& verb, const std::string& name) { verb.option_defaults()->group(name); }

void add_whole(CLI::App& verb, const std::string& names, std::function<void(std::optional<std::uint64_t>)> set,
               const Limits& limits, const std::string& help) {
  const std::string least = std::to_string(limits.none), most = std::to_string(limits.most);
  const std::string wanted = "a whole number from " + (limits.none < 0 ? least : std::to_string(limits.least)) +
                             " to " + (limits.most_in_words.empty() ? most : limits.most_in_words);
  auto read = [names, set = std::move(set), limits, wanted](const std::string& text) {
    const auto number = parse<std::uint64_t>(text);
    const auto negative = parse<std::int64_t>(text);
    if (negative && *negative < 0 && *negative >= limits.none) return set({});
    if (!number || *number < limits.least || *number > limits.most) refuse(names, wanted, text);
    set(number);
  };
  add_taking(verb, names, std::move(read), help, "N");
}

void add_real(CLI::App& verb, const std::string& names, float& target, const RealLimits& limits,
              const std::string& help) {
  auto read = [names, &target, limits](const std::string& text) {
    const auto number = parse<float>(text);
    const bool fits = number && *number >= limits.least && *number <= limits.most;  // false for NaN as well
    if (!fits) refuse(names, limits.wanted, text);
    target = *number;
  };
  add_taking(verb, names, std::move(read), help, "X");
}

void add_choice(CLI::App& verb, const std::string& names, std::string& target, const std::vector<std::string>& choices,
                const std::string& help) {
  auto read = [names, &target, words = choices](const std::string& text) {
    if (std::find(words.begin(), words.end(), text) == words.end()) refuse(names, joined(words, " or "), text);
    target = text;
  };
  add_taking(verb, names, std::move(read), help, joined(choices, "|"));
}

void add_on_off(CLI::App& verb, const std::string& names, bool& target, const std::string& help) {
  auto read = [names, &target](const std::string& text) {
    if (text != "on" && text != "off") refuse(names, "on or off", text);
    target = text == "on";
  };
  add_taking(verb, names, std::move(read), help, "on|off");
}

void add_bytes(CLI::App& verb, const std::string& names, std::uint64_t& target, const std::string& help) {
  auto read = [names, &target](const std::string& text) {
    constexpr std::string_view units = "KMG";
    const std::size_t unit = text.empty() ? units.npos : units.find(text.back());
    const int bits = unit == units.npos ? 0 : 10 * (static_cast<int>(unit) + 1);
    const auto number = parse<std::uint64_t>(bits == 0 ? text : text.substr(0, text.size() - 1));
    if (!number || *number == 0 || *number > std::numeric_limits<std::uint64_t>::max() >> bits) {
      refuse(names, "a number of bytes, as 512M (K, M and G are of 1024)", text);
    }
    target = *number << bits;
  };
  add_taking(verb, names, std::move(read), help, "BYTES");
}

void add_text(CLI::App& verb, const std::string& names, std::optional<std::string>& target, const std::string& type,
              const std::string& help) {
  add_taking(verb, names, to(target), help, type);
}

void add_texts(CLI::App& verb, const std::string& names, std::vector<std::string>& target, const std::string& type,
               const std::string& help) {
  const auto add = [&target](const std::string& text) { target.push_back(text); };
  add_taking(verb, names, add, help, type)->trigger_on_parse();
}

void add_switch(CLI::App& verb, const std::string& names, bool& target, const std::string& help) {
  verb.add_flag(names, target, help);
}

void add_source(CLI::App& verb, const std::string& names, Source& source, const std::string& type,
                const std::string& help) {
  CLI::Option* given = add_taking(verb, names, to(source.given), help, type);
  source.flag = given->get_name(given->get_positional());
  add_taking(verb, "-f,--file", to(source.file), "the same from a file, byte for byte ('-': standard input)", "FILE")
      ->excludes(given);
}

std::string read(const Source& source) {
  if (source.file) return read_file(*source.file);
  if (!source.given) throw Error(Code::invalid_argument, "nothing to read: give " + source.flag + " or -f FILE");
  return *source.given == "-" ? read_file("-") : *source.given;
}

void add_model(CLI::App& verb, ModelFlags& flags, const std::string& names, bool required) {
  LoadOptions& load = flags.load;
  begin_group(verb, "Model");
  auto model = [&flags](const std::string& name) { flags.model = model_file(name); };
  add_taking(verb, names, model, "a GGUF file; smollm2, gemma3: what samples/get_model.sh gets", "FILE")
      ->required(required);
  verb.add_flag_callback(
      "--no-mmap", [&load] { load.copy = true; }, "read the file into memory, as one that may change");
  add_texts(verb, "--ignore-key", load.ignore_keys, "KEY", "run in spite of that metadata key's value (once for each)");
  add_count(verb, "--experts-used", load.experts_used, {1, most_32_bits},
            "experts that each row goes to (default: as the file says)");
  begin_group(verb);
}

void add_capacity(CLI::App& verb, ModelFlags& flags) {
  begin_group(verb, "Model");
  auto capacity = [&load = flags.load](const std::string& text) { load.expert_capacity = capacity_of(text); };
  add_taking(verb, "--expert-capacity", capacity, "experts drop (or reroute) what is beyond so many shares; bits vary",
             "drop:1.25");
  begin_group(verb);
}

void add_plan(CLI::App& verb, ModelFlags& flags) {
  const auto adapter = [&flags](const std::string& text) { flags.load.adapters.push_back(adapter_of(text)); };
  begin_group(verb, "Model");
  add_taking(verb, "--lora", adapter, "a LoRA adapter for the model, a GGUF file too (scale 1; once for each)",
             "FILE[:SCALE]")
      ->trigger_on_parse();
  const std::string wanted = "a product of dp, pp, sp, cp, ep, tp, as pp2.tp2:1";
  begin_group(verb, "Plan, steps and memory");
  auto read = [&flags, wanted](const std::string& plan) {
    if (plan.empty()) refuse("--plan", wanted, plan);  // to LoadOptions it is one shard, to who wrote it a mistake
    flags.load.plan = plan;
  };
  add_count(verb, "-t,--threads", flags.load.threads, {1, 256}, "threads of each shard (default: cores / ranks)");
  add_taking(verb, "--plan", read, wanted + " (default: one shard)", "PLAN");
  begin_group(verb);
}

void add_trace(CLI::App& verb, ModelFlags& flags) {
  auto read = [&flags](const std::string& file) {
    constexpr std::uint32_t kept = 1 << 17;
    flags.trace = file;
    flags.load.trace_events = kept;
  };
  add_taking(verb, "--trace", read, "write what its threads do, for Perfetto and `troupe trace summary`", "FILE");
}

/// A percentage, into a share.
void add_share(CLI::App& verb, const std::string& names, double& target, const std::string& help) {
  auto read = [names, &target](const std::string& text) {
    const auto number = text.ends_with('%') ? parse<float>(text.substr(0, text.size() - 1)) : std::nullopt;
    if (!number || !(*number > 0) || *number > 100) refuse(names, "a percentage as 40%, up to 100%", text);
    target = std::min(1.0, static_cast<double>(*number) / 100);
  };
  add_taking(verb, names, read, help, "N%");
}

void add_spread(CLI::App& verb, ModelFlags& flags) {
  LoadOptions& load = flags.load;
  add_plan(verb, flags);
  begin_group(verb, "Plan, steps and memory");
  add_taking(verb, "--graph", to(flags.graph), "a graph instead of a plan, as `troupe graph -o toml` writes it", "FILE")
      ->excludes(verb.get_option("--plan"))
      ->excludes(verb.get_option("--threads"));  // which the graph says, of each of its nodes
  add_count(verb, "-c,--ctx-size", load.context, {0, most_32_bits, 0, "the model's own context"},
            "positions of a sequence (default " + (load.context == 0 ? "0" : std::to_string(load.context) + "; 0") +
                ": the model's own)");
  add_count(verb, "-b,--chunk", load.chunk, {1, 65536}, "tokens of a prefill chunk (default 512)");
#ifdef __aarch64__
  const std::vector<std::string> isas{"neon", "dotprod", "i8mm", "reference"};
#else
  const std::vector<std::string> isas{"avx2", "avx512", "reference"};
#endif
  add_choice(verb, "--isa", load.isa, isas, "kernels (default: the best that this processor has)");
  add_bytes(verb, "--kv-memory", load.kv_memory, "of KV cache at most, as 512M; requests wait (default: room for all)");
  add_share(verb, "--weights-budget", load.weights_budget,
            "of the weights in memory, the others on disk (default 100%)");
  add_share(verb, "--experts-budget", load.experts_budget, "the same of the experts alone");
  add_on_off(verb, "--prefix-cache", load.prefix_cache,
             std::string("off: prompts that begin alike share nothing") +
                 (load.prefix_cache ? " (default on)" : " (default: off)"));
  auto fusion = [&load](const std::string& text) {
    const bool switched = text == "on" || text == "off";
    if (text.empty()) refuse("--fusion", "on, off, or names of rules", text);
    load.fusion = text != "off";
    load.fusion_rules.clear();
    std::istringstream names(switched ? "" : text);
    for (std::string name; std::getline(names, name, ',');) load.fusion_rules.push_back(name);
  };
  add_taking(verb, "--fusion", fusion, "on: fused ops (default); off: plain ones; or by these rules alone",
             "on|off|RULE,RULE");
  begin_group(verb);
}

}  // namespace troupe::cli
