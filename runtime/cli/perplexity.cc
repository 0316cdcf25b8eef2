#include <algorithm>
#include <cmath>
#include <memory>
#include <span>

#include "runtime/cli/loading.hpp"
#include "runtime/cli/options.hpp"
#include "runtime/cli/output.hpp"
#include "runtime/cli/progress_line.hpp"
#include "runtime/cli/verbs.hpp"

namespace troupe::cli {
namespace {

struct Perplexity {
  Perplexity() { flags.load.context = 512; }
  ModelFlags flags;
  Source text;
};

/// Of -log(p) of each token that was scored.
struct Sums {
  std::uint64_t count = 0;
  double first = 0, second = 0;  ///< of the values, and of their squares
};

/// -log of a token's probability.
double surprise(std::span<const float> logits, TokenId token) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - most);
  return std::log(sum) + most - logits[static_cast<std::size_t>(token)];
}

/// Scores the second half of a window, whose tokens have a half before them, as llama.cpp does: after its middle, each
/// position by the token that follows in the window.
void score(const Model& model, const std::vector<TokenId>& window, Sums& sums) {
  const auto add = [&](std::uint32_t position, std::span<const float> logits) {
    const double value = surprise(logits, window[position + 1]);
    ++sums.count;
    sums.first += value;
    sums.second += value * value;
  };
  LogitsOptions options;
  options.first = static_cast<std::uint32_t>(window.size() / 2);
  model.logits({window.begin(), window.end() - 1}, true, add, options);
}

/// e to the mean; the error is that of the mean, carried through.
std::string report(const Sums& sums) {
  const auto count = static_cast<double>(sums.count);
  const double mean = sums.first / count, variance = sums.second / count - mean * mean;
  const double perplexity = std::exp(mean), error = perplexity * std::sqrt(std::max(variance, 0.0) / (count - 1));
  return "perplexity: " + fixed(perplexity, 4) + " +- " + fixed(error, 4) + " over " + std::to_string(sums.count) +
         " tokens\n";
}

/// The ids of a text in windows of the same length; what is left over is not scored. Each begins with BOS, in place of
/// its first id, where the model wants it.
std::vector<std::vector<TokenId>> windows_of(const Checkpoint& checkpoint, const std::string& text,
                                             std::size_t length) {
  const std::vector<TokenId> ids = checkpoint.prompt(text, false), bos = checkpoint.prompt("");
  if (ids.size() < 2 * length) {
    throw Error(Code::invalid_argument, "the text is " + std::to_string(ids.size()) + " tokens long; two windows of " +
                                            std::to_string(length) + " are needed");
  }
  std::vector<std::vector<TokenId>> windows;
  for (auto at = ids.begin(); ids.end() - at >= static_cast<std::ptrdiff_t>(length);
       at += static_cast<std::ptrdiff_t>(length)) {
    windows.emplace_back(at, at + static_cast<std::ptrdiff_t>(length));
    std::copy(bos.begin(), bos.end(), windows.back().begin());
  }
  return windows;
}

void perplexity(const Perplexity& args) {
  const std::string text = read(args.text);
  const Runtime runtime;
  const Checkpoint checkpoint = open(args.flags);
  const std::size_t length = context_of(checkpoint, args.flags.load);
  if (length < 4) throw Error(Code::invalid_argument, "windows of less than 4 tokens have nothing to score: see -c");
  const auto windows = windows_of(checkpoint, text, length);
  const Model model = load(runtime, checkpoint, graph_of(checkpoint, args.flags), args.flags.load);
  Sums sums;
  {
    ProgressLine line("scoring");
    for (std::size_t i = 0; i < windows.size(); ++i) {
      score(model, windows[i], sums);
      line.show(static_cast<double>(i + 1) / static_cast<double>(windows.size()));
    }
  }
  print(report(sums));
}

}  // namespace

void add_perplexity(CLI::App& command) {
  auto args = std::make_shared<Perplexity>();
  CLI::App& verb = add_verb(command, "perplexity", "measures how well a model foresees a text",
                            "troupe perplexity -m MODEL.gguf -f wiki.test.raw", [args] { perplexity(*args); });
  add_source(verb, "-p,--prompt", args->text, "TEXT",
             "the text; special tokens in it do not count ('-': standard input)");
  add_model(verb, args->flags);
  add_capacity(verb, args->flags);
  add_spread(verb, args->flags);
}

}  // namespace troupe::cli
