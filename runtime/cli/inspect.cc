#include <algorithm>
#include <memory>

#include "runtime/cli/loading.hpp"
#include "runtime/cli/options.hpp"
#include "runtime/cli/output.hpp"
#include "runtime/cli/verbs.hpp"

namespace troupe::cli {
namespace {

struct Inspect {
  ModelFlags flags;
  bool program = false;
};

using Rows = std::vector<std::vector<std::string>>;

void print_metadata(const Checkpoint& checkpoint) {
  std::string text = "metadata\n";
  for (const auto& [key, value] : checkpoint.metadata()) {
    const std::string start = shortened(value, 60);  // templates are thousands long
    const bool whole = start == value;
    text += printable(key) + " = " + printable(start) + (whole ? "" : " (" + std::to_string(value.size()) + " bytes)") +
            "\n";
  }
  print(text);
}

void print_tensors(const Checkpoint& checkpoint) {
  Rows rows = {{"tensor", "format", "rows", "columns", "bytes"}};
  for (const auto& tensor : checkpoint.tensors()) {
    rows.push_back({printable(tensor.name), tensor.format, std::to_string(tensor.rows), std::to_string(tensor.columns),
                    std::to_string(tensor.bytes)});
  }
  print("\ntensors\n" + aligned(rows));
}

/// The verbs run so many sequences in all, and a router spreads them evenly: no replica comes to more than its share.
void share_sequences(std::vector<ActorMemory>& actors, const Graph& graph, std::uint32_t sequences) {
  std::uint32_t replicas = 1;
  for (const auto& node : graph.nodes) replicas = std::max(replicas, node.replica + 1);
  for (const auto& node : graph.nodes) {
    const auto actor = std::find_if(actors.begin(), actors.end(), [&](const auto& a) { return a.actor == node.name; });
    const std::uint32_t mine = sequences / replicas + (node.replica < sequences % replicas ? 1 : 0);
    if (actor != actors.end()) actor->kv_full = actor->kv_full / sequences * mine;
  }
}

std::vector<std::string> memory_row(const ActorMemory& memory) {
  std::vector<std::string> row = {printable(memory.actor)};
  for (const std::uint64_t bytes : {memory.weights, memory.activations, memory.other, memory.kv_full, memory.total(),
                                    memory.kv_block, std::uint64_t{memory.kv_heads}}) {
    row.push_back(std::to_string(bytes));
  }
  return row;
}

/// How far the KV cache grows.
std::string kv_bound(const LoadOptions& load) {
  if (load.kv_memory != 0) return std::to_string(load.kv_memory) + " bytes of each replica";
  return std::to_string(load.parallel) + " sequence(s) at full context, all replicas together";
}

void print_memory(const std::vector<ActorMemory>& actors, const LoadOptions& load) {
  Rows rows = {{"actor", "weights", "activations", "other", "KV full", "total", "KV block", "KV heads"}};
  ActorMemory sum{.actor = "sum"};
  for (const auto& actor : actors) {
    rows.push_back(memory_row(actor));
    sum.weights += actor.weights;
    sum.activations += actor.activations;
    sum.other += actor.other;
    sum.kv_full += actor.kv_full;
    sum.kv_block += actor.kv_block;
    sum.kv_heads += actor.kv_heads;
  }
  rows.push_back(memory_row(sum));
  print("\nmemory in bytes; KV grows by the block, up to " + kv_bound(load) + "\n" + aligned(rows));
}

void print_programs(const Checkpoint& checkpoint, const Graph& graph, LoadOptions load) {
  for (const auto& node : graph.nodes) {
    if (!node.holds_layers() || node.replica != 0) continue;  // replicas run the same programs
    for (const bool fusion : {false, true}) {
      load.fusion = fusion;
      print("\nprogram of " + printable(node.name) + (fusion ? ", after fusion\n" : ", before fusion\n") +
            checkpoint.program(graph, node.name, load));
    }
  }
}

void inspect(const Inspect& args) {
  const Checkpoint checkpoint = open(args.flags);
  const Graph graph = graph_of(checkpoint, args.flags);
  auto memory = checkpoint.memory(graph, args.flags.load);
  if (args.flags.load.kv_memory == 0) share_sequences(memory, graph, args.flags.load.parallel);
  print_metadata(checkpoint);
  print_tensors(checkpoint);
  print_memory(memory, args.flags.load);
  if (args.program) print_programs(checkpoint, graph, args.flags.load);
}

}  // namespace

void add_inspect(CLI::App& command) {
  auto args = std::make_shared<Inspect>();
  CLI::App& verb = add_verb(command, "inspect", "tells what is in a model file, and what each actor would hold",
                            "troupe inspect MODEL.gguf --plan tp2 -c 2048 --program", [args] { inspect(*args); });
  add_model(verb, args->flags, "-m,--model,MODEL");
  add_spread(verb, args->flags);
  add_count(verb, "--parallel", args->flags.load.parallel, {1, most_parallel},
            "sequences at once, all replicas together (default 1)");
  add_switch(verb, "--program", args->program, "the ops of a step too, before and after fusion");
}

}  // namespace troupe::cli
