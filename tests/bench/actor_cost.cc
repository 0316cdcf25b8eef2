// What an actor costs: tokens a second of one shard behind router, scheduler, stage and sampler, against the same
// program called in a plain loop. Both decode the same tokens, in turn; medians.
//   actor_cost MODEL.gguf [THREADS [TOKENS [RUNS]]]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "actors/host/settings.hpp"
#include "actors/host/workshop.hpp"
#include "kernels/table.hpp"
#include "runtime/device/cpu/cpu_runner.hpp"
#include "runtime/device/shard_runner.hpp"
#include "tests/packed_program.hpp"
#include "tests/transport/ends.hpp"
#include "troupe/troupe.hpp"

namespace {

using namespace troupe;
using Seconds = std::chrono::duration<double>;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// One shard and nothing else: steps are made here, one after the other.
class PlainLoop {
 public:
  PlainLoop(const Checkpoint& checkpoint, const LoadOptions& options) {
    const Checkpoint::Impl& impl = *checkpoint.impl();
    const auto settings = host::deploy_settings(host::resolve(impl, options).value(), options);
    const Graph graph = checkpoint.expand(options);
    ProgramParts parts;
    parts.program = host::shard_of(impl, graph.nodes[0], {}, settings).value().program;
    parts.weights = testing::packed_program(*parts.program, 2).value();
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

double actor_seconds(const Model& model, TokenId first, std::uint32_t tokens) {
  GenerateOptions options;
  options.max_tokens = tokens;
  options.ignore_end = true;
  const auto start = std::chrono::steady_clock::now();
  Generation stream = model.generate(std::vector<TokenId>{first}, options);
  while (stream.next()) {
  }
  return Seconds(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') {
    std::fprintf(stderr, "actor_cost MODEL.gguf [THREADS [TOKENS [RUNS]]]\n");
    return 2;
  }
  const auto number = [&](int place, long fallback) {
    return static_cast<std::uint32_t>(argc > place ? std::strtol(argv[place], nullptr, 10) : fallback);
  };
  LoadOptions options;
  options.threads = number(2, 1);
  options.parallel = 1;
  const std::uint32_t tokens = number(3, 128), runs = number(4, 11);
  try {
    const Runtime runtime;
    const Checkpoint checkpoint = runtime.open(argv[1]);
    const Model model = runtime.load(checkpoint, options);
    PlainLoop plain(checkpoint, options);
    const TokenId first = 1;
    std::vector<double> with, without, ratios;
    for (std::uint32_t run = 0; run <= runs; ++run) {
      const double a = actor_seconds(model, first, tokens), b = plain.seconds(first, tokens);
      if (run == 0) continue;  // warms caches
      with.push_back(tokens / a);
      without.push_back(tokens / b);
      ratios.push_back(b / a);
    }
    std::printf("threads %u: actors %.1f tokens/s, plain loop %.1f tokens/s, ratio %.3f (median of %u pairs)\n",
                options.threads, median(with), median(without), median(ratios), runs);
  } catch (const Error& error) {
    std::fprintf(stderr, "actor_cost: %s\n", error.what());
    return 1;
  }
  return 0;
}
