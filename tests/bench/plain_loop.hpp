#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "actors/host/settings.hpp"
#include "actors/host/workshop.hpp"
#include "kernels/table.hpp"
#include "runtime/device/cpu/cpu_runner.hpp"
#include "runtime/device/shard_runner.hpp"
#include "tests/packed_program.hpp"
#include "tests/transport/ends.hpp"
#include "troupe/troupe.hpp"

namespace troupe::bench {

using Seconds = std::chrono::duration<double>;

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// One shard and nothing else: steps are made here, one after the other.
class PlainLoop {
 public:
  /// With a stream, its weights come by `reader`; all of them are in memory all the same.
  PlainLoop(const Checkpoint& checkpoint, const LoadOptions& options, std::shared_ptr<const StreamPlan> stream = {},
            std::shared_ptr<UnitReader> reader = {}) {
    const Checkpoint::Impl& impl = *checkpoint.impl();
    const auto settings = host::deploy_settings(host::resolve(impl, options).value(), options);
    const Graph graph = checkpoint.expand(options);
    ProgramParts parts;
    parts.program = host::shard_of(impl, graph.nodes[0], {}, settings).value().program;
    parts.weights = testing::packed_program(*parts.program, 2).value();
    parts.stream = std::move(stream);
    parts.reader = std::move(reader);
    parts.prefetches = std::make_shared<PrefetchCounts>();
    parts.rows = settings.rows;
    parts.threads = graph.nodes[0].threads;
    parts.context = settings.context;
    testing::Ends tokens = testing::channel_in_memory(3, token_message_columns(1) * sizeof(std::int32_t));
    ShardEnds ends{.tokens = std::make_unique<TokenBoard>(1, std::move(tokens.receiver))};
    ends.logits_end = std::make_unique<LogitsEnd>(
        *kernels::find_table(), LogitsEnd::Sizes{impl.model.vocabulary, impl.model.context, 1},
        std::make_shared<LogitsSinks>(), testing::only(std::move(tokens.sender)), "shard");
    groups_ = parts.program->kv_groups;
    runner_ = std::make_unique<ShardRunner>(parts.program, CpuRunner::create(parts, *kernels::find_table()).value(),
                                            std::move(ends), parts.rows, parts.deadline);
  }

  double seconds(TokenId first, std::uint32_t tokens) {
    const auto start = std::chrono::steady_clock::now();
    for (std::uint32_t position = 0; position < tokens; ++position) {
      Step step;
      step.id = ++steps_;
      step.token_messages = steps_ > 1 ? 1 : 0;
      SequenceSlice slice;
      slice.first_position = position;
      if (position == 0) slice.tokens = {first};
      if (position == 0) step.opened.push_back({});
      const std::uint32_t block = position / kernels::kv_block;
      for (std::uint32_t group = 0; group < groups_ && position % kernels::kv_block == 0; ++group) {
        slice.table.push_back({group, block, {block}});
      }
      slice.sample = true;
      slice.wanted = 1;
      step.slices.push_back(std::move(slice));
      if (const StepOutcome outcome = runner_->run(step); outcome.broken) throw *outcome.broken;
    }
    return Seconds(std::chrono::steady_clock::now() - start).count();
  }

 private:
  std::unique_ptr<ShardRunner> runner_;
  std::uint32_t groups_ = 1;  ///< of layers
  StepId steps_ = 0;
};

}  // namespace troupe::bench
