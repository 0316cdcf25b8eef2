#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "kernels/kv_layout.hpp"
#include "runtime/memory/held_kv.hpp"
#include "runtime/memory/kv_groups.hpp"
#include "troupe/runtime.hpp"

namespace troupe {

/// What a pool has for one group of layers, or for a part of its positions.
struct KvGroup {
  std::uint32_t window = 0;        ///< how many positions its layers see; 0: all
  std::uint32_t blocks = 0;        ///< of all sequences together
  std::uint32_t per_sequence = 0;  ///< that one sequence holds at once, at most
  KvDeal deal{};                   ///< which blocks of a sequence are its own
};

/// One sequence's blocks.
struct KvTable {
  static constexpr std::uint32_t none = UINT32_MAX;
  struct Part {
    std::vector<std::uint32_t> blocks{};  ///< of positions 0 and on, 64 each; none before `begin`, or where not its own
    std::uint32_t begin = 0;              ///< the first that it holds
  };
  std::vector<Part> groups{};
  std::uint32_t known = 0;   ///< blocks from position 0 whose tokens the cache has heard of
  std::uint32_t tip = none;  ///< the cache's entry of the last of them
};

struct KvStats {
  std::uint64_t blocks = 0;  ///< that there may be, of all groups
  std::uint64_t held = 0;    ///< by sequences
  std::uint64_t cached = 0;  ///< by nobody, with content that a prompt may begin with
};

/// Which block of a replica's KV cache holds what, as pure data: counted, and found again by the tokens up to its end
/// (after vLLM's automatic prefix caching). What a released block holds stays known until the block is taken for
/// something else: the least recently used first, and of a sequence the last. One thread at a time.
class KvPool {
 public:
  KvPool(std::vector<KvGroup> groups, bool prefix_cache);

  [[nodiscard]] KvTable table() const { return {std::vector<KvTable::Part>(groups_.size())}; }

  /// Where more than the first `position` tokens are in the cache, in whole blocks and at most `most` of them: takes
  /// their blocks into the table, in place of its own. Returns the position up to which the table's blocks are
  /// computed. Only sequences of one salt share.
  std::uint32_t match(std::span<const TokenId> tokens, std::string_view salt, std::uint32_t position,
                      std::uint32_t most, KvTable& table);

  /// Makes the table hold all up to `end`. False, and nothing changed, where there are too few blocks.
  [[nodiscard]] bool extend(KvTable& table, std::uint32_t end);

  /// The end up to which extend() would come.
  [[nodiscard]] std::uint32_t reach(const KvTable& table) const;

  /// Gives back what no row from `position` on sees.
  void leave_window(KvTable& table, std::uint32_t position);

  /// All of these tokens, from position 0 on, are computed and right: their whole blocks may be shared from now on.
  void publish(std::span<const TokenId> tokens, std::string_view salt, KvTable& table);

  /// Gives everything back. The table is as new.
  void release(KvTable& table);

  /// Knows from now on what another pool of the same model knows, as far as there are blocks with nothing in them:
  /// what its sequences hold first, then, of each window, so many blocks at most of what was released last. Returns
  /// which blocks are to become which.
  [[nodiscard]] std::vector<KvMove> take_over(const KvPool& other, std::size_t most_unheld = SIZE_MAX);

  [[nodiscard]] std::size_t groups() const { return groups_.size(); }
  [[nodiscard]] std::uint64_t available(std::uint32_t group) const;  ///< blocks that nobody holds
  [[nodiscard]] std::uint32_t held(const KvTable& table, std::uint32_t group) const;

  /// Blocks that a sequence of so many positions holds at once, at most.
  [[nodiscard]] std::uint32_t needed(std::uint32_t group, std::uint32_t positions) const;

  /// Positions of a sequence that has the pool to itself.
  [[nodiscard]] std::uint32_t most_positions() const;
  [[nodiscard]] KvStats stats() const;

 private:
  static constexpr std::uint32_t none = KvTable::none;
  using Chunk = std::array<TokenId, kernels::kv_block>;

  struct Block {
    std::uint32_t holders = 0;
    std::uint32_t entry = none;                  ///< that names it
    std::uint32_t older = none, younger = none;  ///< in the queue of those that are cached and held by nobody
  };
  struct Group {
    KvGroup limits;
    std::vector<Block> blocks{};        ///< those that have been used; of the others there may be millions
    std::vector<std::uint32_t> free{};  ///< used ones, with nothing in them
    std::uint32_t oldest = none, youngest = none;
    std::uint32_t queued = 0;
  };
  /// A block's worth of tokens behind those of its parent. A salt's first entries have a root for parent, which has no
  /// tokens.
  struct Entry {
    std::uint32_t parent = none;
    std::uint32_t uses = 0;  ///< its blocks, its children, and the tables whose tip it is
    std::uint64_t hash = 0;
    Chunk tokens{};
    std::string salt{};  ///< of a root
  };

  [[nodiscard]] std::uint32_t take(Group& group);
  void hold(Group& group, std::uint32_t block);
  void drop(Group& group, std::uint32_t block);
  void unqueue(Group& group, std::uint32_t block);
  void forget_oldest(Group& group);

  [[nodiscard]] std::uint64_t hash(std::uint32_t parent, const Chunk& tokens) const;
  [[nodiscard]] std::uint32_t find(std::uint32_t parent, const Chunk& tokens) const;
  std::uint32_t add_entry(Entry entry);
  std::uint32_t add_child(std::uint32_t parent, const Chunk& tokens);
  std::uint32_t root(std::string_view salt);
  void unuse(std::uint32_t entry);
  void move_tip(KvTable& table, std::uint32_t entry);
  [[nodiscard]] std::uint32_t& block_of(std::uint32_t entry, std::size_t group) {
    return blocks_of_[entry * groups_.size() + group];
  }
  [[nodiscard]] std::vector<std::uint32_t> depths() const;
  struct KnownBlock {
    std::uint32_t group, block, depth;
  };
  [[nodiscard]] std::uint32_t parts() const { return groups_[0].limits.deal.parts; }
  [[nodiscard]] std::vector<KnownBlock> known_blocks(std::uint32_t first_group, std::size_t others,
                                                     const std::vector<std::uint32_t>& depths) const;
  [[nodiscard]] std::uint32_t same_entry(const KvPool& other, std::uint32_t entry, std::vector<std::uint32_t>& same);
  [[nodiscard]] bool has_everything(std::uint32_t entry, std::uint32_t block);
  [[nodiscard]] bool has_windows(const std::vector<std::uint32_t>& chain, const KvTable& table);
  void adopt(const std::vector<std::uint32_t>& chain, KvTable& table);

  std::vector<Group> groups_;
  bool prefix_cache_;
  std::uint64_t seed_;  ///< of the hash, which only finds entries: they are compared whole
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> free_entries_;
  std::vector<std::uint32_t> blocks_of_;  ///< [entries][groups]
  std::unordered_multimap<std::uint64_t, std::uint32_t> index_;
  std::map<std::string, std::uint32_t, std::less<>> roots_;
};

}  // namespace troupe
