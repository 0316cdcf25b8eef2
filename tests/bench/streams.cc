// What 1000 streams by callbacks on one host thread make, against 16 threads of the host's that read by next(): tokens
// a second of each way, in turn; medians.
//   streams MODEL.gguf [THREADS [STREAMS [TOKENS [RUNS]]]]

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <thread>
#include <vector>

#include "troupe/troupe.hpp"

namespace {

using namespace troupe;
using Seconds = std::chrono::duration<double>;

struct Load {
  std::uint32_t streams, tokens;
  [[nodiscard]] std::vector<TokenId> prompt(std::uint32_t stream) const {
    return {1, static_cast<TokenId>(10 + stream % 100)};
  }
  [[nodiscard]] GenerateOptions options() const { return {.max_tokens = tokens, .ignore_end = true}; }
};

double by_callbacks(const Model& model, const Load& load) {
  std::promise<void> all;
  std::atomic<std::uint32_t> left = load.streams;
  std::atomic<std::uint64_t> tokens = 0;
  const StreamCallbacks callbacks{.on_token = [&](const Request&, const Token&) { ++tokens; },
                                  .on_finish =
                                      [&](const Request&, const Finish&) {
                                        if (--left == 0) all.set_value();
                                      }};
  const auto start = std::chrono::steady_clock::now();
  for (std::uint32_t i = 0; i < load.streams; ++i) (void)model.generate(load.prompt(i), load.options(), callbacks);
  all.get_future().wait();
  return static_cast<double>(tokens) / Seconds(std::chrono::steady_clock::now() - start).count();
}

double by_readers(const Model& model, const Load& load) {
  std::atomic<std::uint32_t> next = 0;
  std::atomic<std::uint64_t> tokens = 0;
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 16; ++reader) {
    readers.emplace_back([&] {
      for (std::uint32_t i = next++; i < load.streams; i = next++) {
        Generation stream = model.generate(load.prompt(i), load.options());
        while (stream.next()) ++tokens;
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
  return static_cast<double>(tokens) / Seconds(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') {
    std::fprintf(stderr, "streams MODEL.gguf [THREADS [STREAMS [TOKENS [RUNS]]]]\n");
    return 2;
  }
  const auto number = [&](int place, long fallback) {
    return static_cast<std::uint32_t>(argc > place ? std::strtol(argv[place], nullptr, 10) : fallback);
  };
  const Load load{number(3, 1000), number(4, 16)};
  const std::uint32_t runs = number(5, 5);
  try {
    const Model model =
        Runtime().load(argv[1], {.threads = number(2, 0), .context = 256, .parallel = 16, .queue = load.streams});
    std::vector<double> callbacks, readers, ratios;
    for (std::uint32_t run = 0; run <= runs; ++run) {
      const double a = by_callbacks(model, load), b = by_readers(model, load);
      if (run == 0) continue;  // warms caches
      callbacks.push_back(a);
      readers.push_back(b);
      ratios.push_back(a / b);
    }
    std::printf(
        "%u streams of %u tokens: callbacks %.1f tokens/s, 16 readers %.1f tokens/s, ratio %.3f (median of %u)\n",
        load.streams, load.tokens, median(callbacks), median(readers), median(ratios), runs);
  } catch (const Error& error) {
    std::fprintf(stderr, "streams: %s\n", error.what());
    return 1;
  }
  return 0;
}
