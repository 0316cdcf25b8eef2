#include "runtime/cli/mates.hpp"

#include <algorithm>

namespace troupe::cli {
namespace {

std::vector<TokenId> prompt_of(const std::vector<TokenId>& ids, std::size_t length) {
  std::vector<TokenId> prompt(length);
  for (std::size_t i = 0; i < length; ++i) prompt[i] = ids[i % ids.size()];
  return prompt;
}

void decode_until(const std::atomic<bool>& stopped, const Model& model, const std::vector<TokenId>& prompt,
                  const GenerateOptions& options, Generation stream) {
  while (true) {
    while (!stopped && stream.next()) continue;
    if (stopped) return;
    stream = model.generate(prompt, options);  // the context was full: once more
  }
}

}  // namespace

Mates::Mates(const Model& model, const std::vector<TokenId>& ids, std::size_t count, std::size_t context) {
  GenerateOptions options;
  options.ignore_end = true;
  try {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t length = 1 + i + 2 * ids.size() * i / count;
      const auto prompt = prompt_of(ids, std::clamp<std::size_t>(length, 1, std::max<std::size_t>(context, 2) - 1));
      Generation stream = model.generate(prompt, options);
      if (i % 2 == 0) (void)stream.next();
      threads_.push_back(
          std::async(std::launch::async, [this, &model, prompt, options, s = std::move(stream)]() mutable {
            decode_until(stopped_, model, prompt, options, std::move(s));
          }));
    }
  } catch (...) {
    stopped_ = true;  // no destructor runs, and the threads read this
    threads_.clear();
    throw;
  }
}

Mates::~Mates() { stopped_ = true; }

void Mates::stop() {
  stopped_ = true;
  for (auto& thread : threads_) thread.get();
}

}  // namespace troupe::cli
