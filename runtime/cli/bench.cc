#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>
#include <optional>
#include <random>

#include "runtime/cli/bench_report.hpp"
#include "runtime/cli/loading.hpp"
#include "runtime/cli/options.hpp"
#include "runtime/cli/output.hpp"
#include "runtime/cli/verbs.hpp"

namespace troupe::cli {
namespace {

struct Bench {
  Bench() { flags.load.prefix_cache = false; }  // repetitions would measure nothing
  ModelFlags flags;
  std::uint32_t prompt = 512, generate = 128, repetitions = 5;
  std::optional<std::uint32_t> spare_experts;
  std::string form = "table";
};

/// What one repetition runs: requests that start together.
struct Work {
  std::vector<std::vector<TokenId>> prompts;
  std::uint32_t tokens;  ///< of each request
};

/// Random ids, other ones for each request, the same every time.
Work make_work(const Checkpoint& checkpoint, std::size_t requests, std::size_t length, std::uint32_t tokens) {
  std::mt19937_64 random;
  Work work{std::vector<std::vector<TokenId>>(requests, std::vector<TokenId>(length)), tokens};
  for (auto& prompt : work.prompts) {
    for (auto& id : prompt) id = static_cast<TokenId>(random() % checkpoint.vocabulary());
  }
  return work;
}

/// From before the first request to the last token of all, in nanoseconds.
std::uint64_t measure(const Model& model, const Work& work) {
  GenerateOptions options;
  options.max_tokens = work.tokens;
  options.ignore_end = true;
  std::vector<Generation> streams;
  const auto start = std::chrono::steady_clock::now();
  for (const auto& prompt : work.prompts) streams.push_back(model.generate(prompt, options));
  for (std::uint32_t i = 0; i < work.tokens; ++i) {  // in turn, as they come: no stream's queue fills up
    for (auto& stream : streams) {
      if (stream.next()) continue;
      throw Error(Code::failed, "a stream ended after " + std::to_string(i) + " of " + std::to_string(work.tokens) +
                                    " tokens: the context is full");
    }
  }
  const std::chrono::nanoseconds taken = std::chrono::steady_clock::now() - start;
  return static_cast<std::uint64_t>(std::max<std::chrono::nanoseconds::rep>(taken.count(), 1));
}

Work work_of(const Model& model, const Bench& args, std::uint32_t n_prompt, std::uint32_t n_gen) {
  const bool prefill = n_gen == 0;
  return make_work(model.checkpoint(), args.flags.load.parallel, prefill ? n_prompt : 1, prefill ? 1 : n_gen);
}

BenchTest run_test(const Model& model, const Bench& args, std::uint32_t n_prompt, std::uint32_t n_gen) {
  const std::size_t requests = args.flags.load.parallel;
  const Work work = work_of(model, args, n_prompt, n_gen);
  BenchTest test{n_prompt, n_gen, {}, {}};
  (void)measure(model, work);  // a warm-up
  for (std::uint32_t i = 0; i < args.repetitions; ++i) {
    const std::uint64_t taken = measure(model, work);
    test.samples_ns.push_back(taken);
    test.samples_ts.push_back(static_cast<double>(requests * (n_prompt + n_gen)) * 1e9 / static_cast<double>(taken));
  }
  return test;
}

/// What is measured gives the experts something to do once, and they are dealt out by that.
void deal_experts(const Model& model, const Bench& args, Graph graph) {
  if (args.prompt > 0) (void)measure(model, work_of(model, args, args.prompt, 0));
  if (args.generate > 0) (void)measure(model, work_of(model, args, 0, args.generate));
  graph.balance_experts(model.stats().experts, *args.spare_experts);
  (void)model.replace(graph);
}

void report_capacity(const std::vector<ExpertLoad>& experts) {
  std::uint64_t taken = 0, dropped = 0, rerouted = 0;
  for (const ExpertLoad& layer : experts) {
    taken += std::accumulate(layer.rows.begin(), layer.rows.end(), std::uint64_t{0});
    dropped += layer.dropped;
    rerouted += layer.rerouted;
  }
  const double all = std::max(static_cast<double>(taken + dropped), 1.0);
  std::fprintf(stderr, "experts: %.2f %% of the choices were dropped, %.2f %% went elsewhere\n",
               100 * static_cast<double>(dropped) / all, 100 * static_cast<double>(rerouted) / all);
}

void report_prefetch(const PrefetchStats& stats) {
  const double bytes = static_cast<double>(stats.bytes), reads = std::max(static_cast<double>(stats.reads), 1.0);
  std::fprintf(stderr,
               "weights from disk: %.0f MB in %.0f reads, %.0f %% of them late, for which steps waited %.2f s\n",
               bytes / 1e6, reads, 100 * static_cast<double>(stats.late) / reads,
               std::chrono::duration<double>(stats.waited).count());
  const std::uint64_t experts = stats.hits + stats.foreseen + stats.misses;
  if (experts == 0) return;
  const auto share = [&](std::uint64_t count) {
    return 100 * static_cast<double>(count) / static_cast<double>(experts);
  };
  std::fprintf(stderr, "experts that were needed: %.1f %% were there, %.1f %% were foreseen, %.1f %% had to be read\n",
               share(stats.hits), share(stats.foreseen), share(stats.misses));
}

BenchSetup setup_of(const Checkpoint& checkpoint, const Graph& graph, const ModelFlags& flags) {
  BenchSetup setup{flags.model, 0, flags.graph ? *flags.graph : flags.load.plan, flags.load.isa, 0, flags.load};
  for (const auto& tensor : checkpoint.tensors()) setup.model_size += tensor.bytes;
  for (const auto& node : graph.nodes) {
    if (node.holds_layers()) setup.threads = std::max(setup.threads, node.threads);
  }
  return setup;
}

void check_lengths(const Bench& args, std::uint32_t context) {
  const std::uint32_t length = std::max(args.prompt, args.generate);
  if (length <= context) return;
  throw Error(Code::invalid_argument, std::to_string(length) + " tokens are more than the context of " +
                                          std::to_string(context) + " holds: -p and -n go up to that");
}

void bench(const Bench& args) {
  if (args.prompt == 0 && args.generate == 0)
    throw Error(Code::invalid_argument, "-p and -n are 0: nothing to measure");
  const Runtime runtime;
  const Checkpoint checkpoint = open(args.flags);
  check_lengths(args, context_of(checkpoint, args.flags.load));
  const Graph graph = graph_of(checkpoint, args.flags);
  const bool shared_out = std::ranges::any_of(graph.groups, [](const GraphGroup& group) { return group.ep > 1; });
  if (args.spare_experts && !shared_out) {
    throw Error(Code::invalid_argument,
                "--balance-experts deals experts out to the ranks of ep, and the plan has none: "
                "--plan ep2");
  }
  const TraceFile trace(args.flags);
  const Model model = load(runtime, checkpoint, graph, args.flags.load);
  if (args.spare_experts) deal_experts(model, args, graph);
  std::vector<BenchTest> tests;
  if (args.prompt > 0) tests.push_back(run_test(model, args, args.prompt, 0));
  if (args.generate > 0) tests.push_back(run_test(model, args, 0, args.generate));
  trace.write(model);
  if (args.flags.load.expert_capacity.beyond != ExpertCapacity::Beyond::none) report_capacity(model.stats().experts);
  if (const PrefetchStats stats = model.stats().prefetch; stats.reads > 0) report_prefetch(stats);
  print(bench_report(args.form, setup_of(checkpoint, graph, args.flags), tests));
}

}  // namespace

void add_bench(CLI::App& command) {
  auto args = std::make_shared<Bench>();
  CLI::App& verb = add_verb(command, "bench", "measures prefill and decode, in tokens per second",
                            "troupe bench -m MODEL.gguf -t 1 --plan pp2 --parallel 16 -p 512 -n 128 -o md",
                            [args] { bench(*args); });
  add_model(verb, args->flags);
  add_capacity(verb, args->flags);
  add_count(verb, "-p,--n-prompt", args->prompt, {0, most_32_bits}, "tokens to prefill (default 512; 0: no such row)");
  add_count(verb, "-n,--n-gen", args->generate, {0, most_32_bits}, "tokens to decode (default 128; 0: no such row)");
  add_count(verb, "-r,--repetitions", args->repetitions, {1, 10000}, "how often, after one warm-up (default 5)");
  add_count(verb, "--parallel", args->flags.load.parallel, {1, most_parallel},
            "sequences at once, counted together (default 1)");
  add_count(verb, "--balance-experts", args->spare_experts, {0, most_32_bits},
            "deal experts out by load, with at most so many copies more a rank");
  add_choice(verb, "-o,--output", args->form, {"table", "json", "csv", "md"}, "table (default), json, csv or md");
  add_trace(verb, args->flags);
  add_spread(verb, args->flags);
}

}  // namespace troupe::cli
