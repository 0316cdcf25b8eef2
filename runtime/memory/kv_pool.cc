#include "runtime/memory/kv_pool.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include "runtime/memory/mixed_hash.hpp"

namespace troupe {
namespace {

constexpr std::uint32_t block_size = kernels::kv_block;

/// Of a hash that nobody outside can foresee.
std::uint64_t draw_seed() {
  std::random_device random;
  return std::uint64_t{random()} << 32 | random();
}

std::array<TokenId, kernels::kv_block> chunk_of(std::span<const TokenId> tokens, std::uint32_t block) {
  std::array<TokenId, kernels::kv_block> chunk;
  std::copy_n(tokens.begin() + std::ptrdiff_t{block} * block_size, block_size, chunk.begin());
  return chunk;
}

}  // namespace

KvPool::KvPool(std::vector<KvGroup> groups, bool prefix_cache) : prefix_cache_(prefix_cache), seed_(draw_seed()) {
  for (const KvGroup& group : groups) groups_.push_back({group});
}

// Blocks: who holds them, and which is taken next.

std::uint64_t KvPool::available(std::uint32_t group) const {
  const Group& mine = groups_[group];
  return mine.free.size() + mine.queued + (mine.limits.blocks - mine.blocks.size());
}

std::uint32_t KvPool::held(const KvTable& table, std::uint32_t group) const {
  const KvTable::Part& part = table.groups[group];
  const KvDeal& deal = groups_[group].limits.deal;
  return deal.count(static_cast<std::uint32_t>(part.blocks.size())) - deal.count(part.begin);
}

/// One with nothing in it, where there is one: what is cached goes last.
std::uint32_t KvPool::take(Group& group) {
  if (group.free.empty() && group.blocks.size() < group.limits.blocks) {
    group.blocks.emplace_back();
    group.free.push_back(static_cast<std::uint32_t>(group.blocks.size() - 1));
  }
  if (group.free.empty()) forget_oldest(group);
  const std::uint32_t block = group.free.back();
  group.free.pop_back();
  group.blocks[block].holders = 1;
  return block;
}

void KvPool::hold(Group& group, std::uint32_t block) {
  if (group.blocks[block].holders++ == 0) unqueue(group, block);
}

void KvPool::drop(Group& group, std::uint32_t block) {
  Block& mine = group.blocks[block];
  if (--mine.holders > 0) return;
  if (mine.entry == none) return group.free.push_back(block);
  mine.older = std::exchange(group.youngest, block);
  (mine.older == none ? group.oldest : group.blocks[mine.older].younger) = block;
  ++group.queued;
}

void KvPool::unqueue(Group& group, std::uint32_t block) {
  Block& mine = group.blocks[block];
  (mine.older == none ? group.oldest : group.blocks[mine.older].younger) = mine.younger;
  (mine.younger == none ? group.youngest : group.blocks[mine.younger].older) = mine.older;
  mine.older = mine.younger = none;
  --group.queued;
}

void KvPool::forget_oldest(Group& group) {
  const std::uint32_t block = group.oldest;
  unqueue(group, block);
  const std::uint32_t entry = std::exchange(group.blocks[block].entry, none);
  block_of(entry, static_cast<std::size_t>(&group - groups_.data())) = none;
  group.free.push_back(block);
  unuse(entry);
}

// Entries: which tokens a block stands behind.

std::uint64_t KvPool::hash(std::uint32_t parent, const Chunk& tokens) const {
  std::uint64_t hash = mixed(seed_, parent);
  for (const TokenId token : tokens) hash = mixed(hash, static_cast<std::uint32_t>(token));
  return hash;
}

std::uint32_t KvPool::find(std::uint32_t parent, const Chunk& tokens) const {
  const auto [first, last] = index_.equal_range(hash(parent, tokens));
  const auto found = std::find_if(first, last, [&](const auto& each) {
    const Entry& entry = entries_[each.second];
    return entry.parent == parent && entry.tokens == tokens;
  });
  return found == last ? none : found->second;
}

std::uint32_t KvPool::add_entry(Entry entry) {
  if (free_entries_.empty()) {
    free_entries_.push_back(static_cast<std::uint32_t>(entries_.size()));
    entries_.emplace_back();
    blocks_of_.resize(entries_.size() * groups_.size(), none);
  }
  const std::uint32_t id = free_entries_.back();
  free_entries_.pop_back();
  entries_[id] = std::move(entry);
  return id;
}

std::uint32_t KvPool::add_child(std::uint32_t parent, const Chunk& tokens) {
  const std::uint64_t key = hash(parent, tokens);
  const std::uint32_t id = add_entry({.parent = parent, .hash = key, .tokens = tokens});
  index_.emplace(key, id);
  ++entries_[parent].uses;
  return id;
}

std::uint32_t KvPool::root(std::string_view salt) {
  if (const auto found = roots_.find(salt); found != roots_.end()) return found->second;
  const std::uint32_t id = add_entry({.salt = std::string(salt)});
  roots_.emplace(salt, id);
  return id;
}

/// An entry that nothing needs goes, and then perhaps its parent.
void KvPool::unuse(std::uint32_t id) {
  while (id != none && --entries_[id].uses == 0) {
    Entry& entry = entries_[id];
    if (entry.parent == none) {
      roots_.erase(entry.salt);
    } else {
      const auto [first, last] = index_.equal_range(entry.hash);
      index_.erase(std::find_if(first, last, [&](const auto& each) { return each.second == id; }));
    }
    free_entries_.push_back(id);
    id = std::exchange(entry.parent, none);
  }
}

void KvPool::move_tip(KvTable& table, std::uint32_t entry) {
  if (entry != none) ++entries_[entry].uses;
  if (const std::uint32_t before = std::exchange(table.tip, entry); before != none) unuse(before);
}

// Sequences.

/// Whether what an entry, the chain's `block`th, stands for is here, but for what a window may have left.
bool KvPool::has_everything(std::uint32_t entry, std::uint32_t block) {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const KvGroup& limits = groups_[g].limits;
    if (limits.window == 0 && limits.deal.has(block) && block_of(entry, g) == none) return false;
  }
  return true;
}

/// Whether all that the row behind the chain sees is here, in the chain or the table before it.
bool KvPool::has_windows(const std::vector<std::uint32_t>& chain, const KvTable& table) {
  const std::uint32_t end = table.known + static_cast<std::uint32_t>(chain.size());
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const std::uint32_t window = groups_[g].limits.window;
    if (window == 0) continue;
    for (std::uint32_t b = first_kv_block(end * block_size, window); b < end; ++b) {
      if (!groups_[g].limits.deal.has(b)) continue;
      if ((b < table.known ? table.groups[g].blocks[b] : block_of(chain[b - table.known], g)) == none) return false;
    }
  }
  return true;
}

/// Puts the chain's blocks behind those that the table and the cache have in common, in place of the table's own.
void KvPool::adopt(const std::vector<std::uint32_t>& chain, KvTable& table) {
  const std::uint32_t end = table.known + static_cast<std::uint32_t>(chain.size());
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    Group& group = groups_[g];
    KvTable::Part& part = table.groups[g];
    const std::uint32_t first = first_kv_block(end * block_size, group.limits.window);
    for (std::uint32_t b = table.known; b < part.blocks.size(); ++b) {
      if (part.blocks[b] != none) drop(group, part.blocks[b]);
    }
    part.blocks.resize(table.known);
    for (std::uint32_t b = table.known; b < end; ++b) {
      const bool here = b >= first && group.limits.deal.has(b);
      part.blocks.push_back(here ? block_of(chain[b - table.known], g) : none);
      if (here) hold(group, part.blocks.back());
    }
  }
  move_tip(table, chain.back());
  table.known = end;
  leave_window(table, end * block_size);
}

std::uint32_t KvPool::match(std::span<const TokenId> tokens, std::string_view salt, std::uint32_t position,
                            std::uint32_t most, KvTable& table) {
  const auto whole = static_cast<std::uint32_t>(std::min<std::size_t>(tokens.size(), most) / block_size);
  if (!prefix_cache_ || table.known >= whole) return position;
  const auto start = roots_.find(salt);
  std::uint32_t entry = table.tip != none ? table.tip : start != roots_.end() ? start->second : none;
  std::vector<std::uint32_t> chain;
  std::size_t best = 0;
  while (entry != none && table.known + chain.size() < whole) {
    const std::uint32_t block = table.known + static_cast<std::uint32_t>(chain.size());
    entry = find(entry, chunk_of(tokens, block));
    if (entry == none || !has_everything(entry, block)) break;
    chain.push_back(entry);
    const bool further = (table.known + chain.size()) * block_size > position;
    if (further && has_windows(chain, table)) best = chain.size();
  }
  if (best == 0) return position;
  chain.resize(best);
  adopt(chain, table);
  return table.known * block_size;
}

bool KvPool::extend(KvTable& table, std::uint32_t end) {
  if (reach(table) < end) return false;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    auto& blocks = table.groups[g].blocks;
    while (blocks.size() < kv_blocks_for(end)) {
      const bool own = groups_[g].limits.deal.has(static_cast<std::uint32_t>(blocks.size()));
      blocks.push_back(own ? take(groups_[g]) : none);
    }
  }
  return true;
}

std::uint32_t KvPool::reach(const KvTable& table) const {
  std::uint64_t least = UINT32_MAX;
  for (std::uint32_t g = 0; g < groups_.size(); ++g) {
    const KvDeal& deal = groups_[g].limits.deal;
    const std::uint32_t own = deal.count(static_cast<std::uint32_t>(table.groups[g].blocks.size()));
    least = std::min(least, deal.block(own + available(g)) * block_size);
  }
  return static_cast<std::uint32_t>(least);
}

void KvPool::leave_window(KvTable& table, std::uint32_t position) {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    KvTable::Part& part = table.groups[g];
    const auto held = static_cast<std::uint32_t>(part.blocks.size());
    const std::uint32_t first = std::min(first_kv_block(position, groups_[g].limits.window), held);
    for (; part.begin < first; ++part.begin) {
      const std::uint32_t block = std::exchange(part.blocks[part.begin], none);
      if (block != none) drop(groups_[g], block);
    }
  }
}

void KvPool::publish(std::span<const TokenId> tokens, std::string_view salt, KvTable& table) {
  if (!prefix_cache_) return;
  for (; (std::size_t{table.known} + 1) * block_size <= tokens.size(); ++table.known) {
    if (table.tip == none) move_tip(table, root(salt));
    const Chunk chunk = chunk_of(tokens, table.known);
    std::uint32_t entry = find(table.tip, chunk);
    if (entry == none) entry = add_child(table.tip, chunk);
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      const std::uint32_t block = table.groups[g].blocks[table.known];
      if (block == none || block_of(entry, g) != none) continue;
      block_of(entry, g) = block;
      groups_[g].blocks[block].entry = entry;
      ++entries_[entry].uses;
    }
    move_tip(table, entry);
  }
}

void KvPool::release(KvTable& table) {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    auto& blocks = table.groups[g].blocks;
    for (; !blocks.empty(); blocks.pop_back()) {
      if (blocks.back() != none) drop(groups_[g], blocks.back());
    }
    table.groups[g].begin = 0;
  }
  move_tip(table, none);
  table.known = 0;
}

// Another pool's content.

/// [entries]: how many blocks of tokens stand before the end of each.
std::vector<std::uint32_t> KvPool::depths() const {
  std::vector<std::uint32_t> depths(entries_.size(), none);
  std::vector<std::uint32_t> chain;
  for (std::uint32_t id = 0; id < entries_.size(); ++id) {
    std::uint32_t at = id;
    for (; at != none && depths[at] == none; at = entries_[at].parent) chain.push_back(at);
    std::uint32_t depth = at == none ? 0 : depths[at] + 1;
    for (; !chain.empty(); chain.pop_back()) depths[chain.back()] = depth++;
  }
  return depths;
}

/// Of a window's groups the blocks that an entry names: those that are held, from the beginnings of texts on, then so
/// many others, the latest of each group first, in turn.
std::vector<KvPool::KnownBlock> KvPool::known_blocks(std::uint32_t first_group, std::size_t others,
                                                     const std::vector<std::uint32_t>& depths) const {
  std::vector<KnownBlock> known;
  const std::uint32_t end = first_group + parts();
  for (std::uint32_t group = first_group; group < end; ++group) {
    const Group& mine = groups_[group];
    for (std::uint32_t block = 0; block < mine.blocks.size(); ++block) {
      const Block& each = mine.blocks[block];
      if (each.entry != none && each.holders > 0) known.push_back({group, block, depths[each.entry]});
    }
  }
  std::ranges::stable_sort(known, {}, &KnownBlock::depth);
  std::vector<std::uint32_t> next;
  for (std::uint32_t group = first_group; group < end; ++group) next.push_back(groups_[group].youngest);
  for (bool any = true; any && others > 0;) {
    any = false;
    for (std::uint32_t group = first_group; group < end && others > 0; ++group) {
      std::uint32_t& block = next[group - first_group];
      if (block == none) continue;
      const Block& each = groups_[group].blocks[block];
      known.push_back({group, block, depths[each.entry]});
      block = each.older;
      any = true;
      --others;
    }
  }
  return known;
}

/// The entry that stands for the same tokens, made where there is none. `same`: [other's entries], what has been found.
std::uint32_t KvPool::same_entry(const KvPool& other, std::uint32_t entry, std::vector<std::uint32_t>& same) {
  std::vector<std::uint32_t> chain;
  for (; same[entry] == none && other.entries_[entry].parent != none; entry = other.entries_[entry].parent) {
    chain.push_back(entry);
  }
  if (same[entry] == none) same[entry] = root(other.entries_[entry].salt);
  std::uint32_t mine = same[entry];
  for (; !chain.empty(); chain.pop_back()) {
    const std::uint32_t parent = mine;
    const Chunk& tokens = other.entries_[chain.back()].tokens;
    mine = find(parent, tokens);
    if (mine == none) mine = add_child(parent, tokens);
    same[chain.back()] = mine;
  }
  return mine;
}

std::vector<KvMove> KvPool::take_over(const KvPool& other, std::size_t most_unheld) {
  std::vector<KvMove> moves;
  if (!prefix_cache_) return moves;
  const std::vector<std::uint32_t> depths = other.depths();
  std::vector<std::uint32_t> same(other.entries_.size(), none);
  for (std::uint32_t window = 0; window < groups_.size() / parts(); ++window) {
    const std::size_t first = moves.size();
    for (const auto& [from, block, depth] : other.known_blocks(window * other.parts(), most_unheld, depths)) {
      const std::uint32_t group = window * parts() + groups_[0].limits.deal.part_of(depth - 1);
      Group& mine = groups_[group];
      if (available(group) == mine.queued) continue;
      const std::uint32_t entry = same_entry(other, other.groups_[from].blocks[block].entry, same);
      if (block_of(entry, group) != none) continue;
      const std::uint32_t taken = take(mine);
      block_of(entry, group) = taken;
      mine.blocks[taken].entry = entry;
      ++entries_[entry].uses;
      moves.push_back({from, block, group, taken});
    }
    for (std::size_t i = moves.size(); i-- > first;) drop(groups_[moves[i].to_group], moves[i].to);
  }
  return moves;
}

std::uint32_t KvPool::needed(std::uint32_t group, std::uint32_t positions) const {
  const KvGroup& limits = groups_[group].limits;
  return std::min(limits.deal.count(kv_blocks_for(positions)), limits.per_sequence);
}

std::uint32_t KvPool::most_positions() const {
  std::uint64_t most = UINT32_MAX;
  for (const Group& group : groups_) {
    const KvGroup& limits = group.limits;
    // However few rows a step has, a row may see so many blocks.
    const std::uint32_t seen = limits.deal.most((limits.window + block_size - 2) / block_size + 1);
    if (limits.window == 0 || limits.blocks < seen)
      most = std::min(most, limits.deal.block(limits.blocks) * block_size);
  }
  return static_cast<std::uint32_t>(most);
}

KvStats KvPool::stats() const {
  KvStats stats;
  for (std::uint32_t g = 0; g < groups_.size(); ++g) {
    stats.blocks += groups_[g].limits.blocks;
    stats.held += groups_[g].limits.blocks - available(g);
    stats.cached += groups_[g].queued;
  }
  return stats;
}

}  // namespace troupe
