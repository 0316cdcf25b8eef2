#include "tests/equality/hand_wired.hpp"

#include <numeric>
#include <thread>

#include "actors/host/workshop.hpp"
#include "runtime/device/cpu/cpu_runner.hpp"
#include "runtime/device/shard_runner.hpp"
#include "runtime/memory/kv_groups.hpp"
#include "tests/equality/subject.hpp"
#include "tests/packed_program.hpp"
#include "tests/transport/ends.hpp"

namespace troupe::testing {
namespace {

ProgramParts parts_of(const Checkpoint& checkpoint, const Graph& graph, const GraphNode& node,
                      const LoadOptions& options) {
  ProgramParts shard;
  const DeploySettings settings{.context = options.context, .fusion = options.fusion, .isa = options.isa};
  shard.program = host::shard_of(*checkpoint.impl(), node, ranks_of(graph, node.name), settings).value().program;
  shard.weights = packed_program(*shard.program, 1).value();
  shard.rows = shard.context = options.chunk;
  return shard;
}

/// Every block of every group of layers, numbered as they come.
Step whole_prompt(const std::vector<TokenId>& ids, std::uint32_t kv_groups) {
  SequenceSlice slice{.sequence = 1, .tokens = ids, .wanted = static_cast<std::uint32_t>(ids.size())};
  std::vector<std::uint32_t> blocks(kv_blocks_for(slice.wanted));
  std::iota(blocks.begin(), blocks.end(), 0);
  for (std::uint32_t group = 0; group < kv_groups; ++group) slice.table.push_back({group, 0, blocks});
  return {.id = 1, .opened = {{.sequence = 1, .sink = true}}, .slices = {slice}};
}

}  // namespace

std::uint64_t hash_of(const Checkpoint& checkpoint, const std::vector<TokenId>& ids, std::uint32_t ranks,
                      const Parts& parts) {
  LoadOptions options;
  options.plan = "tp" + std::to_string(ranks);
  options.context = options.chunk = static_cast<std::uint32_t>(ids.size());
  const Graph graph = checkpoint.expand(options);
  auto group = group_in_memory(static_cast<int>(ranks));
  const auto sinks = std::make_shared<LogitsSinks>();
  std::vector<std::unique_ptr<ShardRunner>> runners;
  for (std::uint32_t rank = 0; rank < ranks; ++rank) {
    ProgramParts shard = parts_of(checkpoint, graph, graph.nodes[rank], options);
    if (ranks > 1) shard.groups.push_back(parts.wrap_communicator(std::move(group[rank])));
    ShardEnds ends{.tokens = std::make_unique<TokenBoard>(1, channel_in_memory(2, 64).receiver)};
    if (rank == 0)
      ends.logits_end =
          std::make_unique<LogitsEnd>(*parts.kernels, LogitsEnd::Sizes{checkpoint.vocabulary(), options.context, 1},
                                      sinks, only(channel_in_memory(2, 64).sender), "shard");
    runners.push_back(std::make_unique<ShardRunner>(shard.program, CpuRunner::create(shard, *parts.kernels).value(),
                                                    std::move(ends), ids.size(), shard.deadline));
  }

  RunningHash hash;
  std::uint64_t digest = 0;
  const LogitsSink sink = [&](std::uint32_t, std::span<const float> logits) { digest = hash.add(logits); };
  const LogitsSinks::Entry entry(sinks, 1, sink);
  const auto groups = static_cast<std::uint32_t>(kv_groups(checkpoint.impl()->model).windows.size());
  const Step step = whole_prompt(ids, groups);
  std::vector<StepOutcome> outcomes(ranks);
  std::vector<std::thread> threads;
  for (std::uint32_t rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] { outcomes[rank] = runners[rank]->run(step); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const StepOutcome& outcome : outcomes) {
    if (outcome.broken) throw *outcome.broken;
    for (const SliceFailure& failure : outcome.failures) throw failure.error;
  }
  return digest;
}

}  // namespace troupe::testing
