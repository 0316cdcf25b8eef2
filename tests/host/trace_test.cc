#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "actors/host/settings.hpp"
#include "actors/host/workshop.hpp"
#include "runtime/text/template/json.hpp"
#include "runtime/trace/chrome_reader.hpp"
#include "tests/host/house.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

/// Two prompts at once, so that there are several micro-batches, and the logits of a third.
std::vector<float> run(const Model& model) {
  Generation a = model.generate(Ids{1, 2, 3}, tokens(12)), b = model.generate(Ids{4, 5}, tokens(12));
  (void)read(a);
  (void)read(b);
  return logits_of_two_blocks(model);
}

/// The ops of all shards of a graph.
std::set<std::string> ops_of(const Checkpoint& checkpoint, const LoadOptions& options) {
  const Checkpoint::Impl& impl = *checkpoint.impl();
  const auto settings = host::deploy_settings(host::resolve(impl, options).value(), options);
  const Graph graph = checkpoint.expand(options);
  std::set<std::string> names;
  for (const GraphNode& node : graph.nodes) {
    if (!node.holds_layers()) continue;
    const auto shard = host::shard_of(impl, node, ranks_of(graph, node.name), settings).value();
    for (const Section& section : shard.program->sections) {
      for (const Op& op : section.ops) names.emplace(name_of(op));
    }
  }
  return names;
}

void check_nested(const trace::Row& row) {
  std::vector<trace::Time> ends;
  for (const trace::Event& event : row.events) {  // as they were written: by their beginnings
    CHECK(event.begin <= event.end);
    while (!ends.empty() && ends.back() <= event.begin) ends.pop_back();
    if (!ends.empty() && event.end > ends.back()) FAIL_CHECK(event.name << " ends behind what holds it");
    ends.push_back(event.end);
  }
}

/// Of each flow, whether it begins and ends.
void check_flows(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  const auto json = jinja::parse_json(text.str());
  REQUIRE(json.ok());
  std::map<std::int64_t, std::string> phases;
  const auto* events = jinja::as<jinja::List>(*jinja::as<jinja::Dict>(*json)->find("traceEvents"));
  for (const jinja::Value& event : events->items) {
    const auto& dict = *jinja::as<jinja::Dict>(event);
    if (dict.find("id") == nullptr) continue;
    phases[std::get<std::int64_t>(*dict.find("id"))] += jinja::as<jinja::Text>(*dict.find("ph"))->bytes();
  }
  CHECK(phases.size() > 10);
  for (const auto& [id, phase] : phases) {
    CHECK(phase.front() == 's');
    CHECK(phase.back() == 'f');
    CHECK(std::count(phase.begin(), phase.end(), 't') == static_cast<std::ptrdiff_t>(phase.size()) - 2);
  }
}

TEST_CASE("a trace has every op of every thread, and changes no bit") {
  const TemporaryFolder folder;
  const std::string path = folder.at("trace.json");
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const auto expected = run(runtime.load(checkpoint, {.plan = "pp2.tp2"}));
  for (const bool fusion : {true, false}) {
    for (const std::uint32_t threads : {1, 2}) {
      INFO((fusion ? "fused, " : "plain, ") << threads);
      const LoadOptions options{.plan = "pp2.tp2", .threads = threads, .fusion = fusion, .trace_events = 1 << 16};
      const Model model = runtime.load(checkpoint, options);
      CHECK(run(model) == expected);
      model.write_trace(path);
      const auto recording = trace::read(path);
      REQUIRE(recording.ok());
      CHECK(recording->rows.size() == 4 * threads);
      std::set<std::string> names;
      for (const trace::Row& row : recording->rows) {
        CHECK(row.overwritten == 0);
        CHECK(row.events.size() > 100);
        check_nested(row);
        for (const trace::Event& event : row.events) names.insert(event.name);
      }
      for (const std::string& op : ops_of(checkpoint, options)) CHECK(names.count(op) == 1);
      for (const char* name : {"step", "receive_tokens", "send_hidden", "receive_hidden", "sample", "send_tokens"}) {
        CHECK(names.count(name) == 1);
      }
      check_flows(path);
      const std::string summary = trace_summary(path);
      CHECK_THAT(summary, Contains("r0.s1.t1") && Contains("pipeline r0: stage 0 of 2 layers") &&
                              Contains("ranks of r0.s0: imbalance") && Contains("\nto change: "));
    }
  }
}

TEST_CASE("rings are bounded; what they have lost is counted in the file") {
  const TemporaryFolder folder;
  const Runtime runtime;
  const Model model = runtime.load(tiny_path(), {.threads = 1, .trace_events = 32});
  (void)run(model);
  model.write_trace(folder.at("t.json"));
  const auto recording = trace::read(folder.at("t.json"));
  REQUIRE(recording.ok());
  REQUIRE(recording->rows.size() == 1);
  CHECK(recording->rows[0].events.size() <= 32);
  CHECK(recording->rows[0].overwritten > 100);
  CHECK_THAT(trace_summary(folder.at("t.json")), Contains("were overwritten"));
}

TEST_CASE("replicas that come later are traced; files are written while steps run") {
  const TemporaryFolder folder;
  const Runtime runtime;
  const Model model = runtime.load(tiny_path(), {.threads = 1, .parallel = 4, .trace_events = 1 << 12});
  (void)model.replicate();
  std::vector<Generation> streams;
  for (int i = 0; i < 4; ++i) streams.push_back(model.generate(Ids{1, 2, 3}, tokens(100)));
  for (int i = 0; i < 5; ++i) {
    model.write_trace(folder.at("t.json"));
    const auto recording = trace::read(folder.at("t.json"));
    INFO((recording ? "" : recording.error().message()));
    REQUIRE(recording.ok());
    CHECK(recording->rows.size() == 2);
    for (const trace::Row& row : recording->rows) check_nested(row);
  }
  model.drain(1);
  for (Generation& stream : streams) (void)read(stream);
  CHECK_NOTHROW(model.write_trace(folder.at("t.json")));
}

TEST_CASE("a trace that nobody asked for, or that cannot be written", "[bad-input]") {
  const TemporaryFolder folder;
  const Runtime runtime;
  const auto code = [](const auto& call) {
    try {
      call();
    } catch (const Error& error) {
      return std::optional(error.code());
    }
    return std::optional<Code>();
  };
  const Model silent = runtime.load(tiny_path());
  CHECK(code([&] { silent.write_trace(folder.at("t.json")); }) == Code::invalid_argument);
  const Model model = runtime.load(tiny_path(), {.trace_events = 1});
  CHECK(code([&] { model.write_trace(folder.at("no/t.json")); }) == Code::failed);
  CHECK(code([&] { (void)runtime.load(tiny_path(), {.trace_events = (1 << 24) + 1}); }) == Code::invalid_argument);
}

}  // namespace
}  // namespace troupe::testing
