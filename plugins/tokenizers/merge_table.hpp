#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "plugins/tokenizers/pair_merger.hpp"
#include "runtime/text/vocabulary.hpp"

namespace troupe::plugins {

/// The merges of a byte-pair encoding: which two tokens make which third, in the order in which they are tried.
class MergeTable {
 public:
  /// For up to `merges` of them.
  explicit MergeTable(std::size_t merges = 0) : slots_(std::bit_ceil(merges * 2 + 1), empty) { rules_.reserve(merges); }

  /// The next merge in order. Where the pair has one already, that one stays. False where a search for it would take
  /// too long, which only pairs that are chosen so can come to.
  [[nodiscard]] bool add(TokenId left, TokenId right, TokenId merged) {
    const std::size_t slot = slot_of(left, right);
    if (slot == nowhere) return false;
    if (slots_[slot] != empty) return true;
    slots_[slot] = static_cast<std::uint32_t>(rules_.size());
    rules_.push_back({left, right, merged});
    return true;
  }

  [[nodiscard]] PairMerger::Merge find(TokenId left, TokenId right) const {
    const std::size_t slot = slot_of(left, right);
    const std::uint32_t rule = slot == nowhere ? empty : slots_[slot];
    if (rule == empty) return {};
    return {static_cast<std::int32_t>(rule), rules_[rule].merged};
  }

  [[nodiscard]] std::size_t memory_bytes() const {
    return rules_.capacity() * sizeof(Rule) + slots_.capacity() * sizeof(std::uint32_t);
  }

 private:
  static constexpr std::uint32_t empty = UINT32_MAX;
  static constexpr std::size_t nowhere = SIZE_MAX;

  struct Rule {
    TokenId left, right, merged;
  };

  /// Where the pair stands, or the empty slot where it would; nowhere if that is too far from its place.
  [[nodiscard]] std::size_t slot_of(TokenId left, TokenId right) const {
    const std::uint64_t pair =
        (std::uint64_t{static_cast<std::uint32_t>(left)} << 32) | static_cast<std::uint32_t>(right);
    const std::uint64_t hash = pair * 0x9E3779B97F4A7C15ULL;
    std::size_t slot = (hash ^ (hash >> 32)) & (slots_.size() - 1);
    for (std::size_t step = 0; step < longest_search; ++step, slot = (slot + 1) & (slots_.size() - 1)) {
      if (slots_[slot] == empty) return slot;
      const Rule& rule = rules_[slots_[slot]];
      if (rule.left == left && rule.right == right) return slot;
    }
    return nowhere;
  }

  std::vector<Rule> rules_;  // a rule's place is its rank
  std::vector<std::uint32_t> slots_;
};

}  // namespace troupe::plugins
