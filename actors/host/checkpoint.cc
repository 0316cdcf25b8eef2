#include "actors/host/checkpoint.hpp"

#include <algorithm>
#include <numeric>

#include "actors/host/deploy.hpp"
#include "actors/host/retire.hpp"
#include "actors/host/settings.hpp"
#include "kernels/floating_point.hpp"
#include "runtime/deploy/wiring.hpp"
#include "runtime/device/cpu/shard_runner.hpp"
#include "runtime/memory/kv_budget.hpp"
#include "runtime/model/meta_text.hpp"
#include "runtime/plan/stage_costs.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

std::string text_of(const MetaArray& array) { return "[" + std::to_string(array.count) + " entries]"; }

/// A host's actors are anything to whom only counts or lists.
bool any_kind(const std::string&) { return true; }

/// What the shards of each replica hold of the KV cache when it is full.
class KvMemory {
 public:
  KvMemory(const ModelDescription& model, const host::Settings& settings, std::size_t replicas)
      : demands_(replicas, kv_demand(model, settings.context, settings.parallel, settings.rows)) {}

  void add(std::size_t actor, std::uint32_t replica, const std::vector<std::size_t>& block_bytes) {
    add_shard(demands_[replica], block_bytes);
    shards_.push_back({actor, replica, block_bytes});
  }

  /// Fills in kv_full of those that were added.
  void count(std::vector<ActorMemory>& actors, std::uint64_t most) const {
    std::vector<std::vector<KvGroup>> groups;
    for (const KvDemand& demand : demands_) groups.push_back(cut_kv(demand, most).value());
    for (const Shard& shard : shards_) {
      const std::vector<std::uint64_t> mine(shard.block_bytes.begin(), shard.block_bytes.end());
      actors[shard.actor].kv_full = kv_bytes(groups[shard.replica], mine);
    }
  }

 private:
  struct Shard {
    std::size_t actor;
    std::uint32_t replica;
    std::vector<std::size_t> block_bytes;
  };
  std::vector<KvDemand> demands_;  ///< [replicas]
  std::vector<Shard> shards_;
};

const Checkpoint::Impl& opened(const std::shared_ptr<const Checkpoint::Impl>& impl) {
  return host::held(impl, "the checkpoint");
}

}  // namespace

namespace host {

Error unknown_id(TokenId id, std::size_t place, std::size_t size) {
  const char* what = id != no_token ? "" : "; it is no_token, text at a stream's end that is no token: leave it out";
  return {Code::invalid_argument, "id " + std::to_string(id) + " at place " + std::to_string(place) +
                                      " is not in the vocabulary, which ends at " + std::to_string(size - 1) + what};
}

const Checkpoint::Impl& with_model(const std::shared_ptr<const Checkpoint::Impl>& impl) {
  const Checkpoint::Impl& checkpoint = held(impl, "the checkpoint");
  if (checkpoint.architecture != nullptr) return checkpoint;
  throw Error(Code::unsupported,
              checkpoint.file.path + ": was opened for its tokenizer alone; open it whole to have a model of it");
}

}  // namespace host

Checkpoint::Checkpoint(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

bool Checkpoint::has_model() const { return opened(impl_).architecture != nullptr; }

std::vector<std::pair<std::string, std::string>> Checkpoint::metadata() const {
  const kernels::FloatingPointScope floats;
  std::vector<std::pair<std::string, std::string>> entries{{"file", opened(impl_).file.description}};
  for (const MetaEntry& entry : opened(impl_).file.metadata) {
    entries.emplace_back(entry.key, std::visit([](const auto& value) { return text_of(value); }, entry.value));
  }
  return entries;
}

std::vector<TensorInfo> Checkpoint::tensors() const {
  const kernels::FloatingPointScope floats;
  std::vector<TensorInfo> infos;
  for (const FileTensor& tensor : opened(impl_).file.tensors) {
    infos.push_back({std::string(tensor.name), std::string(kernels::info(tensor.format).name), tensor.rows,
                     tensor.columns, tensor.data.size()});
  }
  return infos;
}

std::uint32_t Checkpoint::layers() const { return opened(impl_).model.layer_count(); }
std::uint32_t Checkpoint::context() const { return opened(impl_).model.context; }
std::uint32_t Checkpoint::vocabulary() const { return opened(impl_).model.vocabulary; }

std::vector<TokenId> Checkpoint::tokenize(std::string_view text, bool parse_special) const {
  const kernels::FloatingPointScope floats;
  return opened(impl_).tokenizer->encode(text, parse_special);
}
std::vector<TokenId> Checkpoint::prompt(std::string_view text, bool parse_special) const {
  const kernels::FloatingPointScope floats;
  return opened(impl_).tokenizer->encode_prompt(text, parse_special);
}

std::string Checkpoint::detokenize(std::span<const TokenId> ids) const {
  const kernels::FloatingPointScope floats;
  const std::size_t size = opened(impl_).tokenizer->size();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || static_cast<std::size_t>(ids[i]) >= size) throw host::unknown_id(ids[i], i, size);
  }
  return decode(*opened(impl_).tokenizer, ids, true);
}

Graph Checkpoint::expand(const LoadOptions& options) const {
  const kernels::FloatingPointScope floats;
  const auto settings = host::resolve(host::with_model(impl_), options).value();
  return troupe::expand(settings.plan, opened(impl_).model, stage_costs(opened(impl_).file, opened(impl_).model),
                        settings.threads)
      .value();
}

std::vector<std::string> Checkpoint::plans(std::uint32_t ranks) const {
  const kernels::FloatingPointScope floats;
  if (!has_model()) return {};
  std::vector<std::string> texts;
  for (const Plan& plan : enumerate_plans(ranks, opened(impl_).model.layer_count(), most_shards(opened(impl_).model))) {
    texts.push_back(to_string(plan));
  }
  return texts;
}

std::string Checkpoint::program(const Graph& graph, const std::string& node, const LoadOptions& options) const {
  const kernels::FloatingPointScope floats;
  const auto settings = host::resolve(host::with_model(impl_), options).value();
  (void)check_graph(graph, opened(impl_).model, any_kind, host::known_devices(opened(impl_))).value();
  const GraphNode* shard = find_node(graph, node);
  if (shard == nullptr) throw Error(Code::not_found, "the graph has no node " + quoted(node));
  if (shard->kind != "shard") {
    throw Error(Code::invalid_argument,
                "node " + node + " is of kind " + quoted(shard->kind) + "; only a shard has a program");
  }
  return to_string(host::program_of(opened(impl_), graph, *shard, options, settings.context).value());
}

std::vector<ActorMemory> Checkpoint::memory(const Graph& graph, const LoadOptions& options) const {
  const kernels::FloatingPointScope floats;
  const auto settings = host::resolve(host::with_model(impl_), options).value();
  const auto replicas = check_graph(graph, opened(impl_).model, any_kind, host::known_devices(opened(impl_))).value();
  std::vector<ActorMemory> actors;
  KvMemory kv(opened(impl_).model, settings, replicas.size());
  std::vector<const GraphNode*> packed;
  for (const GraphNode& node : graph.nodes) {
    ActorMemory memory;
    memory.actor = node.name;
    if (node.kind == "shard") {
      const Program program = host::program_of(opened(impl_), graph, node, options, settings.context).value();
      const bool shared = std::any_of(packed.begin(), packed.end(),
                                      [&](const GraphNode* other) { return same_part(graph, *other, node); });
      const auto device = host::device_of(opened(impl_), node, options).value();
      if (!shared) memory.weights = device->weight_bytes(program);
      packed.push_back(&node);
      memory.activations = device->activation_bytes(program, settings.rows, node.threads);
      const std::vector<std::size_t> block = kv_block_bytes(program);
      memory.kv_block = std::accumulate(block.begin(), block.end(), std::uint64_t{0});
      kv.add(actors.size(), node.replica, block);
      for (const KvPlace& place : program.kv) memory.kv_heads = std::max(memory.kv_heads, place.heads);
    }
    const std::size_t stages = replicas[node.replica].stages.size();
    for (const GraphEdge& edge : graph.edges) {
      if (split_end(edge.to).first != node.name || !needs_channel(graph, edge)) continue;
      const ChannelSize size = channel_size(opened(impl_).model, settings.rows, settings.parallel, edge, stages);
      memory.other += size.slots * size.slot_bytes;
      if (node.kind != "shard") memory.other += (node.kind == "sampler" ? 1 : 2) * size.slot_bytes;  // in; in and out
    }
    if (node.kind != "shard" && node.kind != "sampler") {
      const ChannelSize size =
          channel_size(opened(impl_).model, settings.rows, settings.parallel, {"", "", "tokens"}, stages);
      memory.other += size.slots * size.slot_bytes;
    }
    actors.push_back(memory);
  }
  kv.count(actors, options.kv_memory);
  ActorMemory router;
  router.actor = "router";
  router.other = opened(impl_).tokenizer->memory_bytes();
  actors.push_back(router);
  ActorMemory file;
  file.actor = "file";
  file.other = options.copy.value_or(false) ? impl_->bytes->bytes().size() : impl_->bytes->copied_bytes();
  if (file.other != 0) actors.push_back(file);
  return actors;
}

}  // namespace troupe
