#include "actors/host/checkpoint.hpp"

#include <algorithm>

#include "actors/host/retire.hpp"
#include "actors/host/settings.hpp"
#include "actors/host/workshop.hpp"
#include "kernels/floating_point.hpp"
#include "runtime/deploy/memory.hpp"
#include "runtime/model/meta_text.hpp"
#include "runtime/plan/check.hpp"
#include "runtime/plan/stage_costs.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

std::string text_of(const MetaArray& array) { return "[" + std::to_string(array.count) + " entries]"; }

/// What only counts or lists opens none.
KnownNames any_transport() {
  return {[](const std::string&) { return true; }, {}};
}

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

std::vector<ActorMemory> shared_memory(const Checkpoint::Impl& checkpoint, bool copy) {
  ActorMemory router, file;
  router.actor = "router";
  router.other = checkpoint.tokenizer->memory_bytes();
  file.actor = "file";
  for (const auto& each : checkpoint.files) file.other += copy ? each->bytes().size() : each->copied_bytes();
  if (file.other == 0) return {router};
  return {router, file};
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
  for (const Adapter& adapter : opened(impl_).adapters) {
    entries.emplace_back("adapter", adapter.path + ", of " + std::to_string(adapter.matrices.size()) + " matrices");
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

std::vector<TokenId> Checkpoint::tokenize(std::span<const TextSpan> parts) const {
  const kernels::FloatingPointScope floats;
  return opened(impl_).tokenizer->encode_spans(parts);
}

std::vector<TokenId> Checkpoint::prompt(std::string_view text, bool parse_special) const {
  const kernels::FloatingPointScope floats;
  return opened(impl_).tokenizer->encode_prompt(text, parse_special);
}

std::vector<TokenId> Checkpoint::prompt(std::span<const TextSpan> parts) const {
  const kernels::FloatingPointScope floats;
  return opened(impl_).tokenizer->encode_prompt(parts);
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
  for (const Plan& plan : enumerate_plans(ranks, limits_of(opened(impl_).model))) {
    texts.push_back(to_string(plan));
  }
  return texts;
}

std::string Checkpoint::program(const Graph& graph, const std::string& node, const LoadOptions& options) const {
  const kernels::FloatingPointScope floats;
  const auto settings = host::deploy_settings(host::resolve(host::with_model(impl_), options).value(), options);
  const NodeKinds kinds = NodeKinds::with_any();
  (void)check_graph(graph, opened(impl_).model, kinds, host::known_devices(opened(impl_)), any_transport()).value();
  const GraphNode* shard = find_node(graph, node);
  if (shard == nullptr) throw Error(Code::not_found, "the graph has no node " + quoted(node));
  if (!kinds.is(*shard, Role::shard)) {
    throw Error(Code::invalid_argument,
                "node " + node + " is of kind " + quoted(shard->kind) + "; only a shard has a program");
  }
  return to_string(*host::shard_of(opened(impl_), *shard, ranks_of(graph, node), settings).value().program);
}

std::vector<ActorMemory> Checkpoint::memory(const Graph& graph, const LoadOptions& options) const {
  const kernels::FloatingPointScope floats;
  const auto settings = host::deploy_settings(host::resolve(host::with_model(impl_), options).value(), options);
  const NodeKinds kinds = NodeKinds::with_any();
  const Blueprint blueprint =
      draw({0, graph, settings}, opened(impl_).model, kinds, host::known_devices(opened(impl_)), any_transport())
          .value();
  const auto shards = host::shards_of(*impl_, kinds, blueprint).value();
  MemoryOrder order{opened(impl_).model, settings,
                    [&](const Part& part) -> Result<WantedWeights> { return shards.at(part.node.name); }};
  const auto parts = memory_of(blueprint, kinds, order).value();
  std::vector<ActorMemory> actors;
  for (const GraphNode& node : graph.nodes) {  // one that is no part of its own holds nothing
    const auto part =
        std::find_if(parts.begin(), parts.end(), [&](const auto& each) { return each.actor == node.name; });
    actors.push_back(part == parts.end() ? ActorMemory{.actor = node.name} : *part);
  }
  for (ActorMemory& shared : host::shared_memory(*impl_, options.copy.value_or(false))) actors.push_back(shared);
  return actors;
}

}  // namespace troupe
