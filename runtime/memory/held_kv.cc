#include "runtime/memory/held_kv.hpp"

#include <map>
#include <utility>
#include <vector>

#include "kernels/kv_layout.hpp"

namespace troupe {
namespace {

/// Where a head of a layer lies.
struct HeadSpot {
  HeldKv* shard;
  std::uint32_t group;
  std::size_t offset, bytes;
};

template <class Visit>
void each_head(HeldKv* shard, const Visit& visit) {
  for (const KvPlace& place : shard->places()) {
    const std::size_t bytes = kernels::kv_head_bytes(place.head_dim);
    for (std::uint32_t head = place.heads.first; head < place.heads.last; ++head) {
      visit(std::pair(place.layer, head),
            HeadSpot{shard, place.group, place.offset + (head - place.heads.first) * bytes, bytes});
    }
  }
}

}  // namespace

Result<std::uint64_t> move_kv(std::span<HeldKv* const> from, std::span<HeldKv* const> to,
                              std::span<const KvMove> moves) {
  // By layer, head and group. Several shards may hold a head of the same positions: any will do.
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::map<std::uint32_t, HeadSpot>> sources;
  for (HeldKv* const shard : from) {
    each_head(shard, [&](auto head, HeadSpot spot) { sources[head].emplace(spot.group, spot); });
  }
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<std::pair<HeadSpot, HeadSpot>>> heads;  // by groups
  std::map<std::uint32_t, std::size_t> wanted;  // heads of each group, there
  for (HeldKv* const shard : to) {
    each_head(shard, [&](auto head, HeadSpot spot) {
      ++wanted[spot.group];
      for (const auto& [group, source] : sources[head]) heads[{group, spot.group}].emplace_back(source, spot);
    });
  }
  std::vector<std::byte> bytes;
  std::uint64_t copied = 0;
  for (const KvMove& move : moves) {
    const auto& pairs = heads[{move.group, move.to_group}];
    if (pairs.size() != wanted[move.to_group]) {
      return Error(Code::failed, "heads of the KV cache that are to move are at no shard");
    }
    for (const auto& [source, target] : pairs) {
      bytes.resize(target.bytes);
      if (!source.shard->read(move.group, move.from, source.offset, bytes)) {
        return Error(Code::failed, "a block of the KV cache that was to move is not there");
      }
      if (auto wrote = target.shard->write(move.to_group, move.to, target.offset, bytes); !wrote) return wrote.error();
      copied += bytes.size();
    }
  }
  return copied;
}

}  // namespace troupe
