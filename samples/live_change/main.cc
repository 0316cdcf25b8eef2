// A text goes on while the model that writes it is spread another way, and another. Usage: live_change MODEL.gguf [PLAN
// ...]
#include <algorithm>
#include <atomic>
#include <chrono>
#include <iostream>
#include <string>
#include <thread>
#include <troupe/troupe.hpp>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::duration taken) { return std::chrono::duration<double, std::milli>(taken).count(); }

struct Told {
  std::vector<troupe::TokenId> ids;
  double longest_pause = 0;  ///< ms, behind the first token
};

/// `tokens`: how many have come, told to who changes the graph.
Told tell(const troupe::Model& model, std::atomic<std::size_t>& tokens) {
  Told told;
  auto before = Clock::now();
  for (const troupe::Token& token : model.generate("Once upon a time", {.max_tokens = 600, .ignore_end = true})) {
    const auto now = Clock::now();
    if (!told.ids.empty()) told.longest_pause = std::max(told.longest_pause, milliseconds(now - before));
    before = now;
    told.ids.push_back(token.id);
    tokens = told.ids.size();
  }
  return told;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) throw troupe::Error(troupe::Code::invalid_argument, "usage: live_change MODEL.gguf [PLAN ...]");
  std::vector<std::string> plans(argv + 2, argv + argc);
  if (plans.empty()) plans = {"pp2", "tp2", "sp2", "cp2", "pp2.tp2", "tp1"};
  const troupe::Runtime runtime;
  const troupe::Checkpoint checkpoint = runtime.open(argv[1]);
  const troupe::Model model = runtime.load(checkpoint, {.threads = 1, .parallel = 2});
  std::atomic<std::size_t> tokens{0};
  const Told undisturbed = tell(model, tokens);
  std::cout << "one shard: " << undisturbed.ids.size() << " tokens, longest pause " << undisturbed.longest_pause
            << " ms\n";

  std::vector<troupe::Graph> graphs;
  for (const std::string& plan : plans) graphs.push_back(checkpoint.expand({.plan = plan, .threads = 1}));
  tokens = 0;
  std::atomic<bool> over{false};
  std::thread changes([&] {
    for (std::size_t i = 0; i < plans.size(); ++i) {
      const std::size_t from = tokens;
      while (tokens < from + 60 && !over) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (over) {
        std::cerr << "the text ended before " << plans[i] << " could be tried\n";
        return;
      }
      const auto start = Clock::now();
      try {
        model.replace(graphs[i]);
        std::cout << "behind token " << from + 60 << ": " << plans[i] << ", after "
                  << milliseconds(Clock::now() - start) << " ms\n";
      } catch (const troupe::Error& error) {
        std::cerr << plans[i] << ": " << error.what() << "\n";
      }
    }
  });
  const Told disturbed = tell(model, tokens);
  over = true;
  changes.join();
  std::cout << "while it changed: longest pause " << disturbed.longest_pause << " ms, "
            << (disturbed.ids == undisturbed.ids ? "the same tokens\n" : "OTHER TOKENS\n");
  return disturbed.ids == undisturbed.ids ? 0 : 1;
} catch (const troupe::Error& error) {
  std::cerr << "live_change: " << error.what() << "\n";
  return 1;
}
