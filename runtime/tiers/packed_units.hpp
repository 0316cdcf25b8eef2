#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/memory/weight_store.hpp"
#include "runtime/tiers/stream_plan.hpp"

namespace troupe {

/// The units of a stream plan on disk, packed as they will lie in memory, so that nothing is packed twice: each in a
/// file of its own whose name is a hash of what it was packed from, so that whatever budget, plan and placement of
/// experts has the same unit finds it. Behind the unit a file says what it is, and the hash of its bytes; where
/// anything is not as it should be, it is made anew. Immutable; any thread.
class PackedUnits {
 public:
  struct Unit {
    std::string path;
    std::uint64_t bytes;      ///< in whole pages
    std::uint64_t hash;       ///< XXH3 of the bytes
    std::uint64_t source[2];  ///< XXH3 of what it was packed from, and how
  };

  /// Those of a shard which has a stream plan, in this folder, which is made where there is none. All of what they are
  /// packed from is read once, to know them again. `advanced` is told of the bytes of units, those that were there
  /// among them.
  [[nodiscard]] static Result<std::shared_ptr<const PackedUnits>> find_or_make(const std::string& folder,
                                                                               const WantedWeights& shard,
                                                                               std::uint32_t threads,
                                                                               const Advanced& advanced);

  [[nodiscard]] const std::vector<Unit>& units() const { return units_; }  ///< of the stream plan

 private:
  explicit PackedUnits(std::vector<Unit> units) : units_(std::move(units)) {}
  std::vector<Unit> units_;
};

/// Writes a unit's file, under another name until it is whole. `packed`: its bytes, in whole pages.
[[nodiscard]] Result<void> write_unit(const PackedUnits::Unit& unit, std::span<const std::byte> packed);

/// Where packed units are kept unless the host says otherwise: "troupe/packed" in $XDG_CACHE_HOME or ~/.cache. Not
/// found where there is neither.
[[nodiscard]] Result<std::string> default_packed_folder();

/// XXH3, 64 bits.
[[nodiscard]] std::uint64_t hash_of(std::span<const std::byte> bytes);

}  // namespace troupe
