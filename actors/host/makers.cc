#include "actors/host/makers.hpp"

#include <algorithm>
#include <utility>

#include "kernels/floating_point.hpp"
#include "kernels/kv_layout.hpp"
#include "runtime/device/cpu/shard_runner.hpp"
#include "runtime/program/node_runners.hpp"
#include "runtime/program/thrown.hpp"

namespace troupe::host {
namespace {

using Channels = std::vector<std::shared_ptr<transport::Channel>>;

/// The channels of those ends where this flows.
Channels of_flow(const std::vector<PartEnd>& ends, const Channels& channels, std::string_view flow) {
  Channels found;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    if (ends[i].flows == flow) found.push_back(channels[i]);
  }
  return found;
}

LogitsEnd logits_end(const Part& part, const Workbench& bench) {
  return {bench.kernels, bench.settings.parallel, of_flow(part.out, bench.out, "tokens"), part.source};
}

Result<std::unique_ptr<Actor>> make_actor(const GraphNode& node, const ActorFactory& factory) {
  const std::string who = "actor " + node.name + " (" + node.kind + "): its factory";
  try {
    const kernels::HostFloatingPointScope floats;
    auto actor = factory(node.options);
    if (actor == nullptr) return Error(Code::failed, who + " made none");
    return actor;
  } catch (...) {
    return error_of_thrown(who);
  }
}

Result<std::unique_ptr<StepRunner>> make_between(const ActorFactory& factory, const Part& part, Workbench& bench) {
  auto actor = make_actor(part.node, factory);
  if (!actor) return actor.error();
  const Flow flow = part.in[0].flows == "hidden" ? Flow::hidden : Flow::logits;
  const std::size_t columns = flow == Flow::hidden ? bench.model.hidden : bench.model.vocabulary;
  return std::unique_ptr<StepRunner>(std::make_unique<ActorRunner>(part.node.name, std::move(*actor), flow, columns,
                                                                   bench.settings.rows, std::move(bench.in[0]),
                                                                   std::move(bench.out), bench.deadline));
}

}  // namespace

Result<std::unique_ptr<StepRunner>> make_shard(const Part& part, Workbench bench) {
  ShardParts parts;
  parts.program = std::move(bench.goods.program);
  parts.weights = std::move(bench.goods.weights);
  parts.kernels = &bench.kernels;
  parts.rope_style = bench.model.rope_style;
  parts.rope_thetas = bench.model.rope_thetas;
  parts.rows = bench.settings.rows;
  parts.kv_blocks =
      std::size_t{bench.settings.parallel} * ((bench.settings.context + kernels::kv_block - 1) / kernels::kv_block);
  parts.threads = part.node.threads;
  parts.policy = bench.policy;
  parts.deadline = bench.deadline;
  parts.cores = std::move(bench.cores);
  parts.communicator = std::move(bench.group);
  for (const auto& channel : of_flow(part.in, bench.in, "tokens")) {
    parts.tokens = std::make_unique<TokenBoard>(bench.settings.parallel, channel);
  }
  for (const auto& channel : of_flow(part.in, bench.in, "hidden")) parts.hidden_in = channel;
  parts.hidden_out = of_flow(part.out, bench.out, "hidden");
  for (const auto& channel : of_flow(part.out, bench.out, "logits")) parts.logits_out = channel;
  if (!part.source.empty()) parts.logits_end = std::make_unique<LogitsEnd>(logits_end(part, bench));
  auto runner = ShardRunner::create(std::move(parts));
  if (!runner) return runner.error();
  return std::unique_ptr<StepRunner>(std::move(*runner));
}

Result<std::unique_ptr<StepRunner>> make_sampler(const Part& part, Workbench bench) {
  return std::unique_ptr<StepRunner>(std::make_unique<SamplerRunner>(
      logits_end(part, bench), bench.model.vocabulary, bench.settings.rows, std::move(bench.in[0]), bench.deadline));
}

Maker maker_of(ActorFactory factory) {
  return
      [factory = std::move(factory)](const Part& part, Workbench bench) { return make_between(factory, part, bench); };
}

Kinds::Kinds() : makers_{{"shard", make_shard}, {"sampler", make_sampler}} {}

void Kinds::add_host_actor(const std::string& name, ActorFactory factory) {
  makers_.insert_or_assign(name, host::maker_of(std::move(factory)));
  nodes_.add_host_actor(name);
}

}  // namespace troupe::host
