#include "tests/equality/happening.hpp"

#include <algorithm>
#include <numeric>

#include "kernels/kv_layout.hpp"
#include "tests/device/late_device.hpp"
#include "tests/equality/least_weights_budget.hpp"
#include "tests/equality/one_sequence.hpp"
#include "tests/seed.hpp"
#include "tests/transport/every_transport.hpp"

namespace troupe::testing {
namespace {

constexpr std::uint32_t long_context = 4096;

/// With silent peers. A late device's transfers take whoever is not there yet for silent, however hard he works: so it
/// is longer than that takes.
constexpr std::chrono::milliseconds patience{2000};

std::size_t in_blocks(std::size_t positions) { return (positions + kernels::kv_block - 1) / kernels::kv_block; }

/// Where blocks are to be short, a sequence at full context has one more than the longest prompt; and as nobody gives
/// blocks back for which no further step is to come, a prompt takes several.
LoadOptions options_of(const Case& run, std::size_t longest) {
  LoadOptions options;
  options.plan = run.plan;
  options.threads = run.threads;
  options.chunk = run.chunk;
  options.fusion = run.fusion;
  options.context = long_context;
  options.parallel = run.mates ? 4 : 1;
  if (run.meanwhile == Meanwhile::preemption) {
    options.context = static_cast<std::uint32_t>(longest + kernels::kv_block);
    options.chunk = std::min(run.chunk, 24U);
    options.parallel += static_cast<std::uint32_t>(in_blocks(options.context));
  }
  return options;
}

/// As if these experts had had so much to do, every other layer's, drawn by a seed: some get copies, others move.
void deal_experts(Graph& graph, const ModelDescription& model, std::uint32_t seed) {
  Random random(seed);
  std::vector<ExpertLoad> load;
  for (std::uint32_t layer = seed % 2; layer < model.layer_count(); layer += 2) {
    ExpertLoad& mine = load.emplace_back(ExpertLoad{layer});
    for (std::uint32_t e = 0; e < model.layers[layer].experts; ++e)
      mine.rows.push_back(random() % 100 * (random() % 3));
  }
  graph.balance_experts(load, seed % 3);
}

/// The graph of the case's plan on its devices and over its transport.
Graph graph_of(const Checkpoint& checkpoint, const Case& run, const LoadOptions& options) {
  Graph graph = checkpoint.expand(options);
  const auto devices = devices_of(run);
  std::size_t next = 0;
  for (GraphNode& node : graph.nodes) {
    if (node.holds_layers()) node.device = devices[next++ % devices.size()];
  }
  for (GraphEdge& edge : graph.edges) edge.via = run.via;
  for (GraphGroup& group : graph.groups) group.via = run.via;
  deal_experts(graph, checkpoint.impl()->model, static_cast<std::uint32_t>(run.seed));
  return graph;
}

}  // namespace

plugins::Registry test_plugins() {
  plugins::Registry registry = registry_with_bytes();
  registry.devices.push_back(&late_kind);
  return registry;
}

Happening::Happening(const Runtime& runtime, const Checkpoint& checkpoint, const Case& run, std::size_t longest)
    : run_(run),
      checkpoint_(checkpoint),
      random_(static_cast<std::uint32_t>(run.seed)),
      replicas_(replicas_of(run.plan)) {
  LoadOptions options = options_of(run, longest);
  const Graph graph = graph_of(checkpoint, run, options);
  if (run.meanwhile == Meanwhile::change) {
    const std::vector<std::string> plans = checkpoint.plans(4);
    Case other = run;
    other.plan = plans[random_() % plans.size()];
    other_ = graph_of(checkpoint, other, options_of(other, longest));
  }
  if (run.streamed) read_from_disk(graph, options);
  shards_ = static_cast<std::size_t>(std::count_if(graph.nodes.begin(), graph.nodes.end(), [](const GraphNode& node) {
    return node.holds_layers() && node.replica == 0;
  }));
  rows_ = std::max(options.chunk, options.parallel);
  blocks_ = in_blocks(options.context);
  if (run.meanwhile == Meanwhile::preemption) options.kv_memory = one_sequence(checkpoint, graph, options);
  if (run.meanwhile == Meanwhile::restart) {
    house_ = std::make_unique<FaultyHouse>(checkpoint, graph, options,
                                           FaultySettings{.plugins = test_plugins(), .patience = patience});
  } else {
    model_ = runtime.load(checkpoint, graph, options);
  }
  std::iota(replicas_.begin(), replicas_.end(), 0);
  if (run.meanwhile == Meanwhile::drain) replicas_.push_back(model_->replicate()[0]);
}

/// As much as can be, or of a model with experts, by a seed, as many of these.
void Happening::read_from_disk(const Graph& graph, LoadOptions& options) {
  options.weights_folder = folder_.at("packed");
  const bool experts = checkpoint_.impl()->model.experts.used > 0 && run_.seed % 2 == 0;
  double& budget = experts ? options.experts_budget : options.weights_budget;
  const auto least = experts ? least_experts_budget : least_weights_budget;
  budget = least(checkpoint_, graph, options);
  if (other_) budget = std::max(budget, least(checkpoint_, *other_, options));
}

void Happening::before(std::size_t length, std::span<const TokenId> text) {
  if (run_.meanwhile == Meanwhile::preemption) send_older_requests(length, text);
  if (run_.meanwhile != Meanwhile::restart) return;
  const std::size_t steps = (length + rows_ - 1) / rows_;
  house_->faults->arm(random_() % 4 == 0 ? Fault::silent : Fault::throws,
                      static_cast<std::int64_t>(1 + random_() % (steps * shards_)));
}

/// For each block that the prompt leaves a request that has it, and needs a second when the prompt is half done: then
/// the prompt, which is younger, gives its own back.
void Happening::send_older_requests(std::size_t length, std::span<const TokenId> text) {
  older_requests_.clear();
  const std::size_t others = blocks_ - in_blocks(length), steps = length / (rows_ - others) + 1;
  for (std::size_t i = 0; i < others * replicas_.size(); ++i) {
    const std::size_t lacking = 1 + random_() % std::min(kernels::kv_block / 2, steps);
    const std::size_t tokens = std::min(text.size(), kernels::kv_block - lacking);
    older_requests_.push_back(
        model_->generate({text.end() - static_cast<std::ptrdiff_t>(tokens), text.end()},
                         {.max_tokens = static_cast<std::uint32_t>(lacking + 8), .ignore_end = true}));
  }
}

void Happening::during() {
  if (run_.meanwhile == Meanwhile::growth && replicas_.size() == replicas_of(run_.plan)) {
    replicas_.push_back(model_->replicate()[0]);
  } else if (run_.meanwhile == Meanwhile::drain) {
    const auto leaver = replicas_.begin() + static_cast<std::ptrdiff_t>(random_() % replicas_.size());
    model_->drain(*leaver);
    replicas_.erase(leaver);
  } else if (run_.meanwhile == Meanwhile::change) {
    replicas_ = model_->replace(*other_);
  }
}

std::string Happening::after() {
  for (Generation& request : older_requests_) {
    while (request.next()) {
    }
  }
  if (run_.meanwhile == Meanwhile::drain) replicas_.push_back(model_->replicate()[0]);
  if (house_ && !house_->faults->struck()) return "no replica broke\n";
  return {};
}

}  // namespace troupe::testing
