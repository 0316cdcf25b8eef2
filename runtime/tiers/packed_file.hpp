#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/memory/weight_store.hpp"
#include "runtime/tiers/stream_plan.hpp"

namespace troupe {

/// The units of a stream plan on disk, packed as they will lie in memory, so that nothing is packed twice: by this
/// process or a later one. The file's name is a hash of what it was packed from; its header has a hash of its own and
/// of each unit. Where anything is not as it should be, it is made anew. Immutable; any thread.
class PackedFile {
 public:
  struct Unit {
    std::uint64_t offset, bytes;  ///< in whole pages
    std::uint64_t hash;           ///< XXH3 of the bytes
  };

  /// That of a shard which has a stream plan, in this folder, which is made where there is none. All of what it is
  /// packed from is read once, to know it again. `advanced` is told of the bytes of units, those that were there among
  /// them.
  [[nodiscard]] static Result<std::shared_ptr<const PackedFile>> open_or_make(const std::string& folder,
                                                                              const WantedWeights& shard,
                                                                              std::uint32_t threads,
                                                                              const Advanced& advanced);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::vector<Unit>& units() const { return units_; }  ///< of the stream plan

 private:
  PackedFile(std::string path, std::vector<Unit> units) : path_(std::move(path)), units_(std::move(units)) {}

  std::string path_;
  std::vector<Unit> units_;
};

/// Where packed files are kept unless the host says otherwise: "troupe/packed" in $XDG_CACHE_HOME or ~/.cache. Not
/// found where there is neither.
[[nodiscard]] Result<std::string> default_packed_folder();

/// XXH3, 64 bits.
[[nodiscard]] std::uint64_t hash_of(std::span<const std::byte> bytes);

}  // namespace troupe
