// What the prefix cache saves, and what a bound on KV memory costs and holds.
//   prefix MODEL.gguf             first-token times, a mixed load with and without the cache, 200 requests where 6 fit
//   prefix --replicas MODEL.gguf  two replicas: where requests go that begin alike
//   prefix --windows GEMMA.gguf   memory of the KV cache at 8192 positions, where some layers have a window

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "troupe/troupe.hpp"

namespace {

using namespace troupe;
using Ids = std::vector<TokenId>;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Ids random_ids(std::mt19937_64& random, std::uint32_t vocabulary, std::size_t count) {
  Ids ids(count);
  for (TokenId& id : ids) id = static_cast<TokenId>(random() % vocabulary);
  return ids;
}

Ids joined(Ids a, const Ids& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// Bytes of anonymous memory that this process holds.
std::uint64_t held() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::stoull(line.substr(8)) * 1024;
  }
  return 0;
}

std::uint64_t promised(const Checkpoint& checkpoint, const LoadOptions& options, bool kv_alone) {
  std::uint64_t sum = 0;
  for (const ActorMemory& actor : checkpoint.memory(checkpoint.expand(options), options)) {
    sum += kv_alone ? actor.kv_full : actor.total();
  }
  return sum;
}

GenerateOptions some_tokens(std::uint32_t count, const std::string& salt = "") {
  GenerateOptions options;
  options.max_tokens = count;
  options.ignore_end = true;
  options.cache_salt = salt;
  return options;
}

Ids read(Generation stream) {
  Ids ids;
  while (auto token = stream.next()) ids.push_back(token->id);
  return ids;
}

double first_token(const Model& model, const Ids& prompt, const std::string& salt) {
  const auto start = Clock::now();
  (void)read(model.generate(prompt, some_tokens(1, salt)));
  return seconds_since(start);
}

void measure_first_tokens(const Runtime& runtime, const Checkpoint& checkpoint) {
  const Model model = runtime.load(checkpoint, {.context = 2048, .parallel = 2});
  std::mt19937_64 random(1);
  std::vector<double> first, second;
  for (int round = 0; round < 5; ++round) {
    const std::string salt = std::to_string(round);
    const Ids shared = random_ids(random, checkpoint.vocabulary(), 1500);
    first.push_back(first_token(model, joined(shared, random_ids(random, checkpoint.vocabulary(), 10)), salt));
    second.push_back(first_token(model, joined(shared, random_ids(random, checkpoint.vocabulary(), 10)), salt));
  }
  std::printf("first token of 1510 tokens %.1f ms, of another prompt with the same 1500 %.1f ms: %.1f %%\n",
              median(first) * 1e3, median(second) * 1e3, 100 * median(second) / median(first));
}

/// Four of five requests begin with one of three texts of 800 tokens.
double mixed_load(const Runtime& runtime, const Checkpoint& checkpoint, bool prefix_cache) {
  LoadOptions options{.context = 1024, .parallel = 8};
  options.prefix_cache = prefix_cache;
  const Model model = runtime.load(checkpoint, options);
  std::mt19937_64 random(2);
  std::vector<Ids> shared;
  for (int i = 0; i < 3; ++i) shared.push_back(random_ids(random, checkpoint.vocabulary(), 800));
  std::vector<Ids> prompts;
  for (int i = 0; i < 60; ++i) {
    const Ids own = random_ids(random, checkpoint.vocabulary(), i % 5 == 0 ? 840 : 40);
    prompts.push_back(i % 5 == 0 ? own : joined(shared[random() % shared.size()], own));
  }
  const auto start = Clock::now();
  std::vector<Generation> streams;
  for (const Ids& prompt : prompts) streams.push_back(model.generate(prompt, some_tokens(16)));
  for (Generation& stream : streams) (void)read(std::move(stream));
  return seconds_since(start);
}

void measure_mixed_load(const Runtime& runtime, const Checkpoint& checkpoint) {
  const double off = mixed_load(runtime, checkpoint, false), on = mixed_load(runtime, checkpoint, true);
  std::printf("60 requests of 840 tokens, 80 %% of them shared: %.2f s without the cache, %.2f s with it: %.2f times\n",
              off, on, off / on);
}

/// Sixteen at once, of requests that begin with one of twelve texts of 800 tokens: a replica's cache has room for seven
/// of these.
void measure_replicas(const Runtime& runtime, const Checkpoint& checkpoint) {
  LoadOptions options{.plan = "dp2", .threads = 1, .context = 1024, .parallel = 8};
  options.kv_memory = promised(checkpoint, options, true) / 2;  // of both
  std::vector<double> taken;
  for (const float weight : {0.0F, 1.0F, 4.0F}) {
    options.prefix_weight = weight;
    const Model model = runtime.load(checkpoint, options);
    std::mt19937_64 random(2);
    std::vector<Ids> shared;
    for (int i = 0; i < 12; ++i) shared.push_back(random_ids(random, checkpoint.vocabulary(), 800));
    const auto start = Clock::now();
    std::deque<Generation> streams;
    for (int i = 0; i < 240; ++i) {
      if (streams.size() == 16) {
        (void)read(std::move(streams.front()));
        streams.pop_front();
      }
      const Ids own = random_ids(random, checkpoint.vocabulary(), 40);
      streams.push_back(model.generate(joined(shared[random() % shared.size()], own), some_tokens(8 + random() % 48)));
    }
    for (Generation& stream : streams) (void)read(std::move(stream));
    taken.push_back(seconds_since(start));
    const Stats stats = model.stats();
    std::printf("prefix weight %.0f: 240 requests of 840 tokens in %.1f s, %.0f %% of their tokens found: %.2f times\n",
                double{weight}, taken.back(),
                100 * static_cast<double>(stats.cached_tokens) / static_cast<double>(stats.prompt_tokens),
                taken.front() / taken.back());
  }
}

void measure_bound(const Runtime& runtime, const Checkpoint& checkpoint) {
  LoadOptions options{.threads = 1, .context = 512, .chunk = 128, .parallel = 6};
  options.kv_memory = promised(checkpoint, options, true);
  options.parallel = 32;
  std::mt19937_64 random(3);
  std::vector<Ids> prompts, texts;
  std::vector<std::uint32_t> lengths;
  for (int i = 0; i < 200; ++i) {
    prompts.push_back(random_ids(random, checkpoint.vocabulary(), 1 + random() % 200));
    lengths.push_back(1 + random() % (i % 10 == 0 ? 300 : 40));
  }
  {
    const std::uint64_t before = held(), promise = promised(checkpoint, options, false);
    const auto start = Clock::now();
    const Model model = runtime.load(checkpoint, options);
    std::vector<Generation> streams;
    for (std::size_t i = 0; i < prompts.size(); ++i)
      streams.push_back(model.generate(prompts[i], some_tokens(lengths[i])));
    for (Generation& stream : streams) texts.push_back(read(std::move(stream)));
    const std::uint64_t mine = held() - before;
    std::printf("200 requests in a pool for 6: %.1f s; holds %.1f MB, promised %.1f MB: %.3f\n", seconds_since(start),
                static_cast<double>(mine) / 1e6, static_cast<double>(promise) / 1e6,
                static_cast<double>(mine) / static_cast<double>(promise));
  }
  const Model alone = runtime.load(checkpoint, {.context = 512, .parallel = 1, .prefix_cache = false});
  std::size_t same = 0;
  for (std::size_t i = 0; i < prompts.size(); ++i)
    same += read(alone.generate(prompts[i], some_tokens(lengths[i]))) == texts[i] ? 1 : 0;
  std::printf("%zu of 200 texts are those of each alone\n", same);
}

void measure_windows(const Runtime& runtime, const Checkpoint& checkpoint) {
  LoadOptions options{.context = 8192, .parallel = 1};
  std::mt19937_64 random(4);
  const Ids prompt = random_ids(random, checkpoint.vocabulary(), 8190);
  const Model model = runtime.load(checkpoint, options);
  (void)first_token(model, Ids(prompt.begin(), prompt.begin() + 1), "warm");
  const std::uint64_t before = held();
  const double taken = first_token(model, prompt, "");
  std::uint64_t block = 0;
  for (const ActorMemory& actor : checkpoint.memory(checkpoint.expand(options), options)) block += actor.kv_block;
  std::printf("8190 tokens in %.1f s: KV grew by %.1f MB, promised %.1f MB; with no windows it were %.1f MB\n", taken,
              static_cast<double>(held() - before) / 1e6,
              static_cast<double>(promised(checkpoint, options, true)) / 1e6, static_cast<double>(block) * 128 / 1e6);
}

}  // namespace

int main(int argc, char** argv) {
  const auto asks_for = [&](const char* what) { return argc == 3 && std::strcmp(argv[1], what) == 0; };
  const bool windows = asks_for("--windows"), replicas = asks_for("--replicas");
  if ((argc != 2 || argv[1][0] == '-') && !windows && !replicas) {
    std::fprintf(stderr, "prefix MODEL.gguf | prefix --replicas MODEL.gguf | prefix --windows GEMMA.gguf\n");
    return 2;
  }
  try {
    const Runtime runtime;
    const Checkpoint checkpoint = runtime.open(argv[argc - 1]);
    if (windows) {
      measure_windows(runtime, checkpoint);
      return 0;
    }
    if (replicas) {
      measure_replicas(runtime, checkpoint);
      return 0;
    }
    measure_bound(runtime, checkpoint);
    measure_first_tokens(runtime, checkpoint);
    measure_mixed_load(runtime, checkpoint);
  } catch (const Error& error) {
    std::fprintf(stderr, "prefix: %s\n", error.what());
    return 1;
  }
  return 0;
}
