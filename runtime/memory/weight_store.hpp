#pragma once

#include <compare>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "runtime/device/device.hpp"
#include "runtime/program/weights.hpp"
#include "runtime/tiers/stream_plan.hpp"

namespace troupe {

/// What tells one piece of weights from another: the part of a tensor, by where it lies in a file's bytes, and how a
/// device packs it.
struct PieceKey {
  kernels::PackSource source;
  Weight::Use use;
  std::string packing;
  auto operator<=>(const PieceKey&) const = default;
};
[[nodiscard]] PieceKey key_of(const Weight& weight, std::string_view packing);

/// What is to be loaded: the weights of a shard, for the device that runs it.
struct WantedWeights {
  std::shared_ptr<const Program> program;
  std::shared_ptr<const Device> device;
  std::shared_ptr<const StreamPlan> stream{};  ///< or null: all are to be in memory

  /// [Program::weights]: whether it is to be in memory.
  [[nodiscard]] std::vector<bool> kept() const;
};

/// The pieces of weights that are in use: whoever needs one gets the one that there is, be it for a replica, for a
/// graph that replaces another, or for another model of the same checkpoint. Any thread.
class WeightStore {
 public:
  /// Called with the bytes done of those to be packed. See Advanced.
  using Progress = std::function<bool(std::size_t done, std::size_t all)>;

  /// The weights of some shards, each piece packed once, on at most `threads` threads (and once more where two loads
  /// ask for it at once); those that are here already need no packing, and those that are to be read from disk lie
  /// nowhere yet. `files`, whoever holds the bytes of all of them,
  /// is kept as long as a piece.
  [[nodiscard]] Result<std::vector<std::shared_ptr<const ShardWeights>>> load(const std::shared_ptr<const void>& files,
                                                                              std::span<const WantedWeights> wanted,
                                                                              std::uint32_t threads,
                                                                              const Progress& progress);

  /// Of all pieces that somebody holds.
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  struct Entry {
    std::weak_ptr<const WeightPiece> piece;
    std::size_t bytes;
  };
  class Loading;

  void forget_expired();
  [[nodiscard]] std::shared_ptr<const WeightPiece> find(const PieceKey& key) const;
  std::shared_ptr<const WeightPiece> keep(const PieceKey& key, std::size_t bytes,
                                          std::shared_ptr<const WeightPiece> piece);

  mutable std::mutex mutex_;
  std::map<PieceKey, Entry> entries_;
};

}  // namespace troupe
