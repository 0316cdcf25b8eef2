#include "tests/equality/mates.hpp"

namespace troupe::testing {
namespace {

void come_and_go(const Model& model, std::span<const TokenId> text, const std::atomic<bool>& stopped) {
  for (std::size_t i = 0; !stopped; ++i) {
    const std::vector<TokenId> prompt(text.begin(), text.begin() + 1 + static_cast<std::ptrdiff_t>(i % 8));
    for (const Token& token : model.generate(prompt, {.max_tokens = 3, .ignore_end = true})) (void)token;
  }
}

}  // namespace

Mates::Mates(const Model& model, std::span<const TokenId> text, std::size_t length) {
  for (const std::size_t tokens : {std::size_t{3}, length / 2 + 1}) {
    decoding_.push_back(
        model.generate({text.end() - static_cast<std::ptrdiff_t>(tokens), text.end()}, {.ignore_end = true}));
  }
  (void)decoding_[0].next();
  passing_ = std::async(std::launch::async, [this, model, text] { come_and_go(model, text, stopped_); });
}

}  // namespace troupe::testing
