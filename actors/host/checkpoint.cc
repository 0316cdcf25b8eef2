#include "actors/host/checkpoint.hpp"

#include <algorithm>
#include <sstream>

#include "actors/host/deploy.hpp"
#include "runtime/program/shard_runner.hpp"

namespace troupe {
namespace {

/// Longer texts and lists are cut here for people.
constexpr std::size_t shown_characters = 60;

std::string shown(const MetaValue& value) {
  std::ostringstream text;
  if (const auto* array = std::get_if<MetaArray>(&value)) {
    text << "[" << array->count << " entries]";
  } else if (const auto* words = std::get_if<std::string_view>(&value)) {
    for (const char c : words->substr(0, shown_characters)) text << (static_cast<unsigned char>(c) < 32 ? ' ' : c);
    if (words->size() > shown_characters) text << "... (" << words->size() << " bytes)";
  } else if (const auto* truth = std::get_if<bool>(&value)) {
    text << (*truth ? "true" : "false");
  } else {
    std::visit(
        [&](const auto& number) {
          if constexpr (std::is_arithmetic_v<std::decay_t<decltype(number)>>) text << number;
        },
        value);
  }
  return text.str();
}

const GraphNode& node_named(const Graph& graph, const std::string& name) {
  const GraphNode* node = find_node(graph, name);
  if (node == nullptr) throw Error(Code::not_found, "the graph has no node " + name);
  return *node;
}

}  // namespace

Checkpoint::Checkpoint(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

std::vector<std::pair<std::string, std::string>> Checkpoint::metadata() const {
  std::vector<std::pair<std::string, std::string>> entries{{"file", impl_->file.description}};
  for (const MetaEntry& entry : impl_->file.metadata) entries.emplace_back(entry.key, shown(entry.value));
  return entries;
}

std::vector<TensorInfo> Checkpoint::tensors() const {
  std::vector<TensorInfo> infos;
  for (const FileTensor& tensor : impl_->file.tensors) {
    infos.push_back({std::string(tensor.name), std::string(kernels::info(tensor.format).name), tensor.rows,
                     tensor.columns, tensor.data.size()});
  }
  return infos;
}

std::uint32_t Checkpoint::layers() const { return impl_->model.layers; }
std::uint32_t Checkpoint::context() const { return impl_->model.context; }
std::uint32_t Checkpoint::vocabulary() const { return impl_->model.vocabulary; }

std::vector<TokenId> Checkpoint::tokenize(std::string_view text, bool) const { return impl_->tokenizer->encode(text); }
std::vector<TokenId> Checkpoint::prompt(std::string_view text, bool) const {
  return impl_->tokenizer->encode_prompt(text);
}

std::string Checkpoint::detokenize(std::span<const TokenId> ids) const {
  for (const TokenId id : ids) {
    if (id >= 0 && static_cast<std::size_t>(id) < impl_->tokenizer->size()) continue;
    throw Error(Code::invalid_argument, "id " + std::to_string(id) + " is not in the vocabulary, which ends at " +
                                            std::to_string(impl_->tokenizer->size() - 1));
  }
  return decode(*impl_->tokenizer, ids, true);
}

Graph Checkpoint::expand(const LoadOptions& options) const {
  const auto settings = host::resolve(*impl_, options).value();
  return troupe::expand(settings.plan, impl_->model, host::stage_costs(*impl_), settings.threads).value();
}

std::vector<std::string> Checkpoint::plans(std::uint32_t ranks) const {
  std::vector<std::string> texts;
  for (const Plan& plan : enumerate_plans(ranks, impl_->model.layers, most_shards(impl_->model))) {
    texts.push_back(to_string(plan));
  }
  return texts;
}

std::string Checkpoint::program(const Graph& graph, const std::string& node, const LoadOptions& options) const {
  const auto settings = host::resolve(*impl_, options).value();
  return to_string(host::program_of(*impl_, graph, node_named(graph, node), options, settings.context).value());
}

std::vector<ActorMemory> Checkpoint::memory(const Graph& graph, const LoadOptions& options) const {
  const auto settings = host::resolve(*impl_, options).value();
  const auto replicas = check_graph(graph, impl_->model, [](const std::string&) { return true; }).value();
  std::vector<ActorMemory> actors;
  std::vector<const GraphNode*> packed;
  for (const GraphNode& node : graph.nodes) {
    ActorMemory memory;
    memory.actor = node.name;
    if (node.kind == "shard") {
      const Program program = host::program_of(*impl_, graph, node, options, settings.context).value();
      const bool shared = std::any_of(packed.begin(), packed.end(),
                                      [&](const GraphNode* other) { return host::same_part(graph, *other, node); });
      if (!shared) memory.weights = weight_bytes(program);
      packed.push_back(&node);
      memory.activations = activation_bytes(program, settings.rows, node.threads, impl_->model.rope_thetas.size());
      memory.kv_block = KvStore(program.kv_layers, program.kv_heads, program.head_dim).block_bytes();
      const std::size_t blocks = (settings.context + kernels::kv_block - 1) / kernels::kv_block;
      memory.kv_full = memory.kv_block * blocks * settings.parallel;
      memory.kv_heads = program.kv_heads;
    }
    const std::size_t stages = replicas[node.replica].stages.size();
    for (const GraphEdge& edge : graph.edges) {
      if (split_end(edge.to).first != node.name || !host::needs_channel(graph, edge)) continue;
      const host::ChannelSize size = host::channel_size(impl_->model, settings, edge, stages);
      memory.other += size.slots * size.slot_bytes;
      if (node.kind != "shard") memory.other += (node.kind == "sampler" ? 1 : 2) * size.slot_bytes;  // in; in and out
    }
    actors.push_back(memory);
  }
  ActorMemory router;
  router.actor = "router";
  router.other = impl_->tokenizer->memory_bytes();
  actors.push_back(router);
  ActorMemory file;
  file.actor = "file";
  file.other = options.copy.value_or(false) ? impl_->bytes->bytes().size() : impl_->bytes->copied_bytes();
  if (file.other != 0) actors.push_back(file);
  return actors;
}

}  // namespace troupe
