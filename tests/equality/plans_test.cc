#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "kernels/table.hpp"
#include "plugins/builtin.hpp"
#include "tests/equality/covering.hpp"
#include "tests/equality/subject.hpp"
#include "tests/host/tiny_adapter.hpp"
#include "tests/host/tiny_model.hpp"
#include "tests/model_at_hand.hpp"

// The numerics contract: how a model is spread, chunked, batched and computed does not show in its logits, bit for bit.

namespace troupe::testing {
namespace {

constexpr std::uint32_t most_ranks = 8;

/// Prompts: past Gemma3's window of 512 and over several KV blocks and chunks; around a block's edge; one token.
/// A quarter of that where a sanitizer slows everything down.
std::vector<std::size_t> lengths_up_to(std::size_t most) {
  if (sanitized()) return {most / 4, 1};
  return {most, 65, 64, 63, 1};
}
const std::vector<std::size_t> long_lengths = lengths_up_to(700);

/// Over several KV blocks, and in turn one of those at an edge.
std::vector<std::size_t> short_lengths(std::size_t turn) {
  const auto all = lengths_up_to(200);
  return {all[0], all[1 + turn % (all.size() - 1)]};
}

/// While something happens: past two edges of blocks, and at one.
std::vector<std::size_t> eventful_lengths() {
  if (sanitized()) return {70, 1};
  return {130, 64};
}

/// Plans whose every combination with the other factors is run.
constexpr const char* thorough_plans[] = {"tp1", "dp2.pp2.tp2"};

/// TROUPE_SEED, or the day: what is drawn changes from day to day, and a failure can be repeated.
std::uint64_t seed() {
  const char* given = std::getenv("TROUPE_SEED");
  const auto day = std::chrono::duration_cast<std::chrono::days>(std::chrono::system_clock::now().time_since_epoch());
  return given != nullptr ? std::strtoull(given, nullptr, 10) : static_cast<std::uint64_t>(day.count());
}

/// Tiny models with random weights: past their windows, and over three blocks, and at an edge.
const std::vector<std::size_t> tiny_lengths =
    sanitized() ? std::vector<std::size_t>{70} : std::vector<std::size_t>{140, 64};

/// A llama is a file of mixed weights, each layer its own, with heads that are no whole blocks of 32; a gemma3
/// one of floats, and of widths that are no multiple of anything.
Subject tiny_subject(const std::string& architecture, bool adapted = false) {
  TinyModel model{.context = 4096, .architecture = architecture};
  if (model.architecture == "llama") {
    model.sizes = {.heads = 16, .head_dim = 48};
    model.format = [](const std::string& name) {
      using kernels::Format;
      if (name.starts_with("blk.1.")) return Format::f16;
      if (name.starts_with("blk.2.ffn_up")) return Format::f32;
      return name.starts_with("blk.3.") ? Format::q4_0 : Format::q8_0;
    };
  } else if (architecture == "gemma3") {
    model.sizes = {.hidden = 100, .heads = 9, .kv_heads = 3, .head_dim = 80, .ffn = 172, .vocabulary = 275};
    model.format = [](const std::string& name) {
      return name.ends_with("ffn_down.weight") ? kernels::Format::f32 : kernels::Format::bf16;
    };
  }
  model.keys = [&](GgufWriter& writer) { write_telling_keys(writer, architecture); };
  const MemoryFile file(model.file());
  if (!adapted) return {file.path(), tiny_lengths[0], true};
  // Of all matrices, of odd ranks; and another of some.
  const ModelFile opened = open_gguf(file.path()).value();
  TinyAdapter of_some{.architecture = architecture, .rank = 5, .seed = 2, .format = kernels::Format::f32};
  of_some.has = [](const std::string& name) { return name.starts_with("blk.1.") || name.starts_with("output."); };
  const MemoryFile one(TinyAdapter{.architecture = architecture}.file(opened)), two(of_some.file(opened));
  return {file.path(), tiny_lengths[0], true, {.adapters = {{one.path()}, {two.path(), -0.5F}}}};
}

/// Nothing, and a line that says so, where the model is not on this machine.
std::optional<Subject> subject(const char* file, std::size_t length) {
  const auto path = model_at_hand(file);
  return path ? std::optional<Subject>(std::in_place, *path, length) : std::nullopt;
}

/// A case and the lengths of its prompts.
struct Run {
  Case one;
  std::vector<std::size_t> lengths;
};

void run(const Subject& subject, const std::vector<Run>& runs) {
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    const double left = i == 0 ? 0 : passed.count() / static_cast<double>(i) * static_cast<double>(runs.size() - i);
    const std::string name = to_string(runs[i].one);
    std::printf("[%zu of %zu, %.0f s, %.0f s left] %s: ", i + 1, runs.size(), passed.count(), left, name.c_str());
    std::fflush(stdout);
    const std::string found = subject.difference(runs[i].one, runs[i].lengths);
    std::printf("%s\n", found.empty() ? "equal" : "DIFFERENT");
    INFO(name);
    CHECK(found == "");
  }
}

/// Of few ranks, where there are such of a kind.
std::vector<std::string> small_plans(const Checkpoint& checkpoint) {
  std::vector<std::string> plans = checkpoint.plans(4);
  for (const std::string& plan : checkpoint.plans(most_ranks)) {
    if (std::ranges::count(plan, '.') == 2) plans.push_back(plan);
  }
  return plans;
}

/// Quiet cases, with all pairs of values, or every value; then every value of every factor while something happens.
void run_part(const char* file, bool pairs) {
  std::printf("%s: TROUPE_SEED=%llu\n", file, static_cast<unsigned long long>(seed()));
  const auto model = subject(file, long_lengths[0]);
  if (!model) return;
  std::mt19937_64 random(seed());
  const auto plans = model->checkpoint().plans(most_ranks);
  const auto tables = kernels::tables();
  const std::string fast(tables[std::min<std::size_t>(1, tables.size() - 1)]->name);  // the first after the reference
  auto cases = pairs ? quiet_pairs(plans, random) : quiet_values(plans, random);
  std::vector<Run> runs;
  for (Case& one : cases) {
    const auto lengths = slow(one) ? eventful_lengths() : short_lengths(runs.size());
    runs.push_back({std::move(one), lengths});
  }
  for (Case& one : fast_values(small_plans(model->checkpoint()), random))
    runs.push_back({std::move(one), eventful_lengths()});
  runs.push_back({{.plan = "pp2.tp2:1", .threads = 1, .chunk = 100, .devices = fast, .fusion = false, .mates = true},
                  long_lengths});
  run(*model, runs);
}

/// Every plan with every value of each other factor, once with the longest prompt; a few with every combination of the
/// product's own.
void run_all(const char* file) {
  const auto model = subject(file, long_lengths[0]);
  if (!model) return;
  std::mt19937_64 random(seed());
  std::vector<Run> runs;
  for (const std::string& plan : model->checkpoint().plans(most_ranks)) {
    bool had_long = false;
    for (Case& one : fast_values_of(plan, random)) {
      const bool long_one = !had_long && one.chunk > 1;  // token by token is for short prompts only
      had_long |= long_one;
      runs.push_back({std::move(one), long_one ? long_lengths : short_lengths(runs.size())});
    }
  }
  for (const char* plan : thorough_plans) {
    for (Case& one : quiet_cases_of(plan)) runs.push_back({std::move(one), long_lengths});
  }
  std::shuffle(runs.begin(), runs.end(), random);  // so that the time left is foreseen rightly
  run(*model, runs);
}

/// Any two values of any two factors; two models take turns, and one has experts for the plans that share these out.
void run_tiny_part() {
  const Subject all_seen = tiny_subject("llama"), windows = tiny_subject("gemma3"), experts = tiny_subject("qwen2moe");
  std::mt19937_64 random(seed());
  std::vector<Run> runs[3];
  std::size_t turn = 0;
  for (Case& one : all_pairs(experts.checkpoint().plans(most_ranks), random)) {
    const bool shared_out = one.plan.find("ep") != std::string::npos;
    runs[shared_out ? 2 : turn++ % 2].push_back({std::move(one), tiny_lengths});
  }
  run(all_seen, runs[0]);
  run(windows, runs[1]);
  run(experts, runs[2]);
}

/// A few of the cases that together hold every value, others from day to day, and the plain kernels: one of them where
/// a sanitizer slows everything down.
void run_tiny_few(const std::string& architecture, bool adapted = false) {
  const std::size_t few = sanitized() ? 1 : 2;
  std::printf("%s: TROUPE_SEED=%llu\n", architecture.c_str(), static_cast<unsigned long long>(seed()));
  const Subject model = tiny_subject(architecture, adapted);
  std::mt19937_64 random(seed());
  std::vector<Run> runs;
  std::vector<Case> cases = fast_values(small_plans(model.checkpoint()), random);
  std::shuffle(cases.begin(), cases.end(), random);
  for (std::size_t i = 0; i < std::min(few, cases.size()); ++i) runs.push_back({std::move(cases[i]), tiny_lengths});
  const Case plain{.plan = "tp2:1", .chunk = 40, .devices = "reference", .fusion = false};
  if (!sanitized()) runs.push_back({plain, tiny_lengths});
  run(model, runs);
}

/// Every plan with every value of each other factor; a few with every combination of all.
void run_all_tiny(const std::string& architecture) {
  const Subject model = tiny_subject(architecture);
  std::mt19937_64 random(seed());
  std::vector<Run> runs;
  for (const std::string& plan : model.checkpoint().plans(most_ranks)) {
    for (Case& one : fast_values_of(plan, random)) runs.push_back({std::move(one), tiny_lengths});
  }
  for (const char* plan : thorough_plans) {
    for (Case& one : all_cases_of(plan, random)) runs.push_back({std::move(one), tiny_lengths});
  }
  std::shuffle(runs.begin(), runs.end(), random);
  run(model, runs);
}

TEST_CASE("covering array: any two values of any two factors meet", "[equality]") {
  std::mt19937_64 random(seed());
  const std::vector<std::size_t> values = {2, 3, 4, 2};
  std::set<std::vector<std::size_t>> pairs;
  for (const Row& row : covering_array(values, random)) {
    for (std::size_t a = 0; a < row.size(); ++a) {
      for (std::size_t b = a + 1; b < row.size(); ++b) pairs.insert({a, row[a], b, row[b]});
    }
  }
  CHECK(pairs.size() == 2 * 3 + 2 * 4 + 2 * 2 + 3 * 4 + 3 * 2 + 4 * 2);
}

/// What a part runs with: the forms of its plans, and every other factor's values.
std::set<std::string> values_of(const std::vector<Case>& cases) {
  std::set<std::string> values;
  for (const Case& one : cases) {
    for (const char* factor : {"dp2", "pp2.", "pp2:1", "sp2", "cp2", "ep2", "tp2.", "tp2:1"}) {
      if ((one.plan + ".").find(factor) != std::string::npos) values.insert(factor);
    }
    values.insert({"threads " + std::to_string(one.threads), "chunk " + std::to_string(one.chunk),
                   "devices " + one.devices, one.fusion ? "fused" : "plain", one.mates ? "mates" : "alone",
                   "via " + one.via, "meanwhile " + std::to_string(static_cast<int>(one.meanwhile)),
                   one.streamed ? "weights on disk" : "weights in memory"});
  }
  return values;
}

TEST_CASE("fault 25: every value of every factor occurs in the parts of the plans that are run", "[equality]") {
  std::vector<std::string> plans;
  for (const char* dp : {"", "dp2."}) {
    for (const char* pp : {"", "pp2.", "pp2:1."}) {
      for (const char* rows : {"", "sp2.", "cp2.", "ep2."}) {
        for (const char* tp : {"tp1", "tp2", "tp2:1"}) plans.push_back(std::string(dp) + pp + rows + tp);
      }
    }
  }
  const std::size_t tables = kernels::tables().size();
  const std::size_t slow_ones = tables == 1 || sanitized() ? 0 : 2;  // the reference kernels, and the mixture
  const std::size_t fast_ones = tables == 1 ? 1 : tables - 1, late_ones = 2, vias = 2;
  const std::size_t others = 8 + 2 + 3 + 2 + 2 + 2, happenings = std::size(all_that_happens);
  for (std::uint64_t each = seed(); each < seed() + 20; ++each) {
    INFO("seed " << each);
    std::mt19937_64 random(each);
    for (const auto& quiet : {quiet_pairs(plans, random), quiet_values(plans, random)}) {
      CHECK(values_of(quiet).size() == others + fast_ones + slow_ones + 1 + 1);
    }
    const std::size_t values = others + fast_ones + late_ones + vias + happenings;
    CHECK(values_of(fast_values(plans, random)).size() == values);
    CHECK(values_of(all_pairs(plans, random)).size() == values + slow_ones);
  }
}

/// Pairs are the tiny models' alone where a sanitizer slows everything down.
TEST_CASE("plans: a part that covers all quiet pairs of SmolLM2's, and every value", "[equality]") {
  run_part(smollm2, !sanitized());
}
TEST_CASE("plans: a part that holds every value of Gemma3's", "[equality]") { run_part(gemma3, false); }
TEST_CASE("plans: all pairs of tiny models', whatever happens meanwhile", "[equality]") { run_tiny_part(); }

TEST_CASE("plans: a few of a tiny model's of every architecture", "[equality]") {
  for (const Architecture* architecture : plugins::builtin().architectures) {
    run_tiny_few(std::string(architecture->name));
  }
}

/// Of mixed weights, of one tensor for q, k and v, and of floats.
TEST_CASE("plans: a few of tiny models' with adapters", "[equality]") {
  for (const char* architecture : {"llama", "phi3", "gemma3"}) run_tiny_few(architecture, true);
}

TEST_CASE("plans: all of SmolLM2's", "[equality][long]") { run_all(smollm2); }
TEST_CASE("plans: all of Gemma3's", "[equality][long]") { run_all(gemma3); }
TEST_CASE("plans: all of a tiny model's of every architecture, whatever happens meanwhile", "[equality][long]") {
  for (const Architecture* architecture : plugins::builtin().architectures) {
    run_all_tiny(std::string(architecture->name));
  }
}

}  // namespace
}  // namespace troupe::testing
