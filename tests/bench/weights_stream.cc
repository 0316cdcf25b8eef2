// What weights on disk cost: decoding with some of the weights read in every step, beside what the disk gives and what
// computing takes when all of them are in memory; then the same with a disk that is as slow as the computing.
//   weights_stream MODEL.gguf [SHARE [THREADS [TOKENS [FOLDER]]]]      for example: weights_stream MODEL.gguf 0.4 2 64

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "runtime/tiers/packed_reader.hpp"
#include "runtime/tiers/packed_units.hpp"
#include "runtime/tiers/weights_budget.hpp"
#include "tests/bench/plain_loop.hpp"

namespace {

using namespace troupe;
using bench::median, bench::PlainLoop, bench::Seconds;
using Clock = std::chrono::steady_clock;

constexpr TokenId first_token = 1;
constexpr int rounds = 5;

/// Seconds of one step, of so many.
double step_seconds(PlainLoop& loop, std::uint32_t tokens) { return loop.seconds(first_token, tokens) / tokens; }

/// Seconds of reading all units once, as a step would, and nothing else.
double reading_seconds(UnitReader& reader, const StreamPlan& plan, const PackedUnits& units, std::uint32_t times) {
  auto memory = Buffer::allocate(plan.bytes(), "buffers").value();
  const auto begin = Clock::now();
  const std::size_t all = times * plan.layers.size();
  for (std::size_t i = 0; i < all + StreamPlan::buffers; ++i) {
    const std::size_t place = i % StreamPlan::buffers, unit = i % plan.layers.size();
    reader.wait(place, std::chrono::hours(1)).value();
    if (i >= all) continue;
    reader.begin(place, unit, {memory.data() + place * plan.buffer_bytes, units.units()[unit].bytes}).value();
  }
  return Seconds(Clock::now() - begin).count() / times;
}

/// A disk that takes so long for each unit, one after the other, and reads nothing: what is computed is nonsense, in
/// the same time.
class SlowDisk : public UnitReader {
 public:
  explicit SlowDisk(std::vector<double> seconds) : seconds_(std::move(seconds)) {}
  Result<void> begin(std::size_t place, std::size_t unit, std::span<std::byte>) override {
    free_ = std::max(free_, Clock::now()) + std::chrono::duration_cast<Clock::duration>(Seconds(seconds_[unit]));
    done_[place] = free_;
    return {};
  }
  bool ready(std::size_t place) override { return Clock::now() >= done_[place]; }
  Result<void> wait(std::size_t place, std::chrono::nanoseconds) override {
    std::this_thread::sleep_until(done_[place]);
    return {};
  }

 private:
  std::vector<double> seconds_;
  Clock::time_point free_ = Clock::now(), done_[StreamPlan::buffers] = {};
};

void measure(const std::string& path, double share, LoadOptions options, std::uint32_t tokens, std::string folder) {
  const Checkpoint checkpoint = Runtime().open(path);
  const auto settings = host::deploy_settings(host::resolve(*checkpoint.impl(), options).value(), options);
  const Graph graph = checkpoint.expand(options);
  std::vector<WantedWeights> shards{host::shard_of(*checkpoint.impl(), graph.nodes[0], {}, settings).value()};
  plan_streams(shards, share).value();
  const WantedWeights& shard = shards[0];
  if (shard.stream == nullptr) throw Error(Code::invalid_argument, "all of the weights are within that share");
  if (folder.empty()) folder = default_packed_folder().value();
  const auto units =
      PackedUnits::find_or_make(folder, shard, options.threads, [](std::size_t) { return true; }).value();
  const auto counts = std::make_shared<PrefetchCounts>();
  const auto reader = [&] { return reader_of(units, shard.program, shard.stream, counts); };
  const double bytes = static_cast<double>(shard.stream->bytes_on_disk());

  PlainLoop whole(checkpoint, options), streamed(checkpoint, options, shard.stream, reader());
  const auto alone = reader();
  std::vector<double> computing, reading, step;
  (void)reading_seconds(*alone, *shard.stream, *units, 1);
  for (int i = 0; i <= rounds; ++i) {
    const double a = step_seconds(whole, tokens), b = reading_seconds(*alone, *shard.stream, *units, 8),
                 c = step_seconds(streamed, tokens);
    if (i == 0) continue;  // warms caches
    computing.push_back(a);
    reading.push_back(b);
    step.push_back(c);
  }
  const double compute = median(computing), load = median(reading), both = median(step);
  std::printf("share %.3f: %zu of %zu layers on disk, %.1f MB a step, in buffers of %.1f MB\n", share,
              shard.stream->layers.size(), std::size_t{checkpoint.layers()}, bytes / 1e6,
              static_cast<double>(shard.stream->bytes()) / 1e6);
  std::printf("all in memory: %.2f ms a step, %.1f tokens/s\n", 1e3 * compute, 1 / compute);
  std::printf("disk alone:    %.2f ms for what a step reads, %.2f GB/s\n", 1e3 * load, bytes / load / 1e9);
  std::printf("both:          %.2f ms a step, %.1f tokens/s: %.3f of what the slower of the two allows\n", 1e3 * both,
              1 / both, std::max(load, compute) / both);

  std::vector<double> seconds;
  for (const StreamPlan::Unit& unit : shard.stream->layers) {
    seconds.push_back(compute * static_cast<double>(unit.bytes) / bytes);
  }
  PlainLoop slow(checkpoint, options, shard.stream, std::make_shared<SlowDisk>(seconds));
  std::vector<double> together, alone_again;
  for (int i = 0; i <= rounds; ++i) {
    const double a = step_seconds(whole, tokens), b = step_seconds(slow, tokens);
    if (i == 0) continue;
    alone_again.push_back(a);
    together.push_back(b);
  }
  const double most = std::max(compute, median(alone_again));
  std::printf(
      "a disk as slow as the computing: %.2f ms a step, %.3f of the slower; without prefetch it would be %.2f\n",
      1e3 * median(together), median(together) / most, (compute + median(alone_again)) / most);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') {
    std::fprintf(stderr, "weights_stream MODEL.gguf [SHARE [THREADS [TOKENS [FOLDER]]]]\n");
    return 2;
  }
  LoadOptions options;
  options.threads = static_cast<std::uint32_t>(argc > 3 ? std::strtol(argv[3], nullptr, 10) : 1);
  options.parallel = 1;
  options.context = 512;
  try {
    measure(argv[1], argc > 2 ? std::strtod(argv[2], nullptr) : 0.5, options,
            static_cast<std::uint32_t>(argc > 4 ? std::strtol(argv[4], nullptr, 10) : 64), argc > 5 ? argv[5] : "");
  } catch (const Error& error) {
    std::fprintf(stderr, "weights_stream: %s\n", error.what());
    return 1;
  }
  return 0;
}
