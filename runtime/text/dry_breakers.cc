#include "runtime/text/dry_breakers.hpp"

#include <algorithm>

namespace troupe {
namespace {

DryBreakers breakers_of(const std::vector<std::string>& texts, const Tokenizer& tokenizer) {
  DryBreakers breakers;
  breakers.tokens.resize(tokenizer.size());
  for (std::size_t id = 0; id < breakers.tokens.size(); ++id) {
    const std::string piece = tokenizer.piece(static_cast<TokenId>(id), false);
    breakers.tokens[id] = std::any_of(texts.begin(), texts.end(),
                                      [&](const std::string& text) { return piece.find(text) != piece.npos; });
  }
  for (const std::string& text : texts) {
    std::vector<TokenId> ids = tokenizer.encode(text, false);
    if (ids.size() > 1) breakers.sequences.push_back(std::move(ids));
  }
  return breakers;
}

}  // namespace

std::shared_ptr<const DryBreakers> DryBreakerLists::find(const std::vector<std::string>& texts) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(lists_.begin(), lists_.end(), [&](const List& list) { return list.texts == texts; });
  if (found == lists_.end()) return nullptr;
  std::rotate(found, found + 1, lists_.end());
  return lists_.back().breakers;
}

std::shared_ptr<const DryBreakers> DryBreakerLists::of(const std::vector<std::string>& texts,
                                                       const Tokenizer& tokenizer) {
  if (auto known = find(texts)) return known;
  auto made = std::make_shared<const DryBreakers>(breakers_of(texts, tokenizer));
  const std::lock_guard lock(mutex_);
  if (lists_.size() == most) lists_.erase(lists_.begin());
  lists_.push_back({texts, made});
  return made;
}

}  // namespace troupe
