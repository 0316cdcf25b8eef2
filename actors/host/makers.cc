#include "actors/host/makers.hpp"

#include <algorithm>
#include <utility>

#include "kernels/floating_point.hpp"
#include "kernels/table.hpp"
#include "runtime/device/shard_runner.hpp"
#include "runtime/program/node_runners.hpp"
#include "runtime/program/thrown.hpp"
#include "runtime/tiers/packed_reader.hpp"

namespace troupe::host {
namespace {

/// Those of the ends where this flows.
template <class End>
std::vector<std::unique_ptr<End>> take(const std::vector<PartEnd>& ends, std::vector<std::unique_ptr<End>>& all,
                                       std::string_view flow) {
  std::vector<std::unique_ptr<End>> found;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    if (ends[i].flows == flow) found.push_back(std::move(all[i]));
  }
  return found;
}

/// The first of them, or null.
template <class End>
std::unique_ptr<End> first(std::vector<std::unique_ptr<End>> ends) {
  return ends.empty() ? nullptr : std::move(ends[0]);
}

/// A host samples on its own processor.
LogitsEnd logits_end(const Part& part, Workbench& bench) {
  const kernels::KernelTable* const wanted = kernels::find_table(bench.settings.isa);
  return {wanted == nullptr ? *kernels::find_table() : *wanted,
          {bench.model.tokens, bench.settings.context, bench.settings.parallel},
          bench.sinks,
          take(part.out, bench.out, "tokens"),
          part.source};
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
  TokenBoard tokens(bench.settings.parallel, std::move(bench.in[1]));
  return std::unique_ptr<StepRunner>(std::make_unique<ActorRunner>(
      part.node.name, std::move(*actor), flow, columns, bench.settings.rows, std::move(tokens), std::move(bench.in[0]),
      std::move(bench.out), bench.deadline, bench.track()));
}

ProgramParts program_parts(const Part& part, Workbench& bench) {
  ProgramParts parts;
  parts.program = bench.goods.program;
  parts.weights = std::move(bench.goods.weights);
  parts.rows = bench.settings.rows;
  parts.slots = bench.settings.parallel;
  parts.context = bench.settings.context;
  for (const KvGroup& group : bench.kv) parts.kv_blocks.push_back(group.blocks);
  parts.threads = part.node.threads;
  parts.cores = std::move(bench.cores);
  parts.policy = bench.policy;
  parts.deadline = bench.deadline;
  parts.groups = std::move(bench.groups);
  parts.tracks = bench.tracks;
  parts.expert_rows = std::move(bench.expert_rows);
  return parts;
}

ShardEnds shard_ends(const Part& part, Workbench& bench) {
  ShardEnds ends;
  if (auto tokens = first(take(part.in, bench.in, "tokens"))) {
    ends.tokens = std::make_unique<TokenBoard>(bench.settings.parallel, std::move(tokens));
  }
  ends.hidden_in = first(take(part.in, bench.in, "hidden"));
  ends.hidden_out = take(part.out, bench.out, "hidden");
  ends.logits_out = first(take(part.out, bench.out, "logits"));
  if (!part.source.empty()) ends.logits_end = std::make_unique<LogitsEnd>(logits_end(part, bench));
  return ends;
}

}  // namespace

Result<std::unique_ptr<StepRunner>> make_shard(const Part& part, Workbench bench) {
  ShardEnds ends = shard_ends(part, bench);
  ProgramParts parts = program_parts(part, bench);
  if (bench.goods.stream != nullptr) {
    parts.reader = reader_of(bench.goods.packed, bench.goods.program, bench.goods.stream, bench.prefetches);
    parts.stream = bench.goods.stream;
    parts.prefetches = std::move(bench.prefetches);
  }
  auto runner = bench.goods.device->make_runner(std::move(parts));
  if (!runner) return runner.error();
  return std::unique_ptr<StepRunner>(std::make_unique<ShardRunner>(
      bench.goods.program, std::move(*runner), std::move(ends), bench.settings.rows, bench.deadline, bench.track()));
}

Result<std::unique_ptr<StepRunner>> make_sampler(const Part& part, Workbench bench) {
  return std::unique_ptr<StepRunner>(std::make_unique<SamplerRunner>(logits_end(part, bench), bench.model.vocabulary,
                                                                     bench.settings.rows, std::move(bench.in[0]),
                                                                     bench.deadline, bench.track()));
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
