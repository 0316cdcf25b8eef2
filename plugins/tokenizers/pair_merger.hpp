#pragma once

#include <cstdint>
#include <vector>

#include "plugins/tokenizers/min_tree.hpp"
#include "runtime/text/tokenizer.hpp"

namespace troupe::plugins {

/// Byte-pair encoding of one word: of all neighbours that make a token together, those of the lowest rank are merged,
/// the leftmost first, until none are left. n log n, whatever the word. Reused from word to word for its memory.
class PairMerger {
 public:
  struct Symbol {
    std::uint32_t begin;  ///< in the word, in bytes
    std::uint32_t end;
    TokenId id;  ///< what the caller gave it, or what it was merged to
  };

  /// What two neighbours make.
  struct Merge {
    std::int32_t rank = MinTree::none;
    TokenId id = -1;
  };

  /// Begins a word of up to `symbols` of them.
  void begin(std::size_t symbols) {
    links_.clear();
    links_.reserve(symbols);
  }
  void push(Symbol symbol) { links_.push_back({symbol, 0, 0, -1}); }

  /// `find(left, right)` says what two symbols make; a Merge{} where they make nothing.
  template <class Find>
  void run(Find&& find);

  /// The symbols that are left, in order.
  template <class Use>
  void for_each(Use&& use) const {
    for (std::uint32_t i = 0; i < links_.size(); i = links_[i].next) use(links_[i].symbol);
  }

 private:
  struct Link {
    Symbol symbol;
    std::uint32_t next, previous;  // the number of links where there is none
    TokenId merged;                // with the next one
  };

  template <class Find>
  std::int32_t rank_with_next(std::uint32_t i, Find& find);

  std::vector<Link> links_;
  MinTree ranks_;  // of the pair that begins at a link
};

template <class Find>
std::int32_t PairMerger::rank_with_next(std::uint32_t i, Find& find) {
  Link& link = links_[i];
  if (link.next == links_.size()) return MinTree::none;
  const Merge merge = find(link.symbol, links_[link.next].symbol);
  link.merged = merge.id;
  return merge.rank;
}

template <class Find>
void PairMerger::run(Find&& find) {
  const auto count = static_cast<std::uint32_t>(links_.size());
  ranks_.reset(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    links_[i].next = i + 1;
    links_[i].previous = i == 0 ? count : i - 1;
  }
  for (std::uint32_t i = 0; i < count; ++i) ranks_.fill(i, rank_with_next(i, find));
  ranks_.build();
  for (std::size_t at = ranks_.leftmost_min(); at < count; at = ranks_.leftmost_min()) {
    const auto left = static_cast<std::uint32_t>(at);
    Link& link = links_[left];
    const std::uint32_t right = link.next;
    link.symbol.id = link.merged;
    link.symbol.end = links_[right].symbol.end;
    link.next = links_[right].next;
    if (link.next < count) links_[link.next].previous = left;
    ranks_.set(right, MinTree::none);
    ranks_.set(left, rank_with_next(left, find));
    if (link.previous < count) ranks_.set(link.previous, rank_with_next(link.previous, find));
  }
}

}  // namespace troupe::plugins
