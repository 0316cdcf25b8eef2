#include "runtime/memory/weight_store.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace troupe {

PieceKey key_of(const Weight& weight, std::string_view packing) {
  return {weight.source, weight.use, std::string(packing)};
}

std::vector<bool> WantedWeights::kept() const {
  std::vector<bool> all(program->weights.size(), true);
  if (stream == nullptr) return all;
  for (std::size_t i = 0; i < stream->units(); ++i) {
    for (const WeightId id : stream->unit(i).weights) all[id] = false;
  }
  return all;
}

/// One call of load().
class WeightStore::Loading {
 public:
  Loading(WeightStore& store, const std::shared_ptr<const void>& files) : store_(store), files_(files) {}

  /// Holds what is here, so that it stays, and counts what is not.
  void look_up(const WantedWeights& wanted) {
    const auto kept = wanted.kept();
    for (std::size_t i = 0; i < kept.size(); ++i) {
      if (!kept[i]) continue;
      const Weight& weight = wanted.program->weights[i];
      PieceKey key = key_of(weight, wanted.device->packing());
      if (held_.contains(key) || missing_.contains(key)) continue;
      if (auto piece = store_.find(key)) {
        held_.emplace(std::move(key), std::move(piece));
      } else {
        all_ += wanted.device->weight_bytes(weight);
        missing_.insert(std::move(key));
      }
    }
  }

  Result<std::shared_ptr<const ShardWeights>> load(const WantedWeights& wanted, std::uint32_t threads,
                                                   const Progress& progress) {
    if (auto packed = pack(wanted, threads, progress); !packed) return packed.error();
    auto weights = std::make_shared<ShardWeights>();
    const auto kept = wanted.kept();
    for (std::size_t i = 0; i < kept.size(); ++i) {
      const Weight& weight = wanted.program->weights[i];
      if (!kept[i]) {
        weights->weights.push_back(unplaced(weight));
        continue;
      }
      const auto& piece = held_.at(key_of(weight, wanted.device->packing()));
      weights->weights.push_back(piece->weight());
      weights->pieces.push_back(piece);
    }
    return std::shared_ptr<const ShardWeights>(std::move(weights));
  }

  [[nodiscard]] std::size_t all() const { return all_; }

 private:
  Result<void> pack(const WantedWeights& wanted, std::uint32_t threads, const Progress& progress) {
    const Device& device = *wanted.device;
    std::vector<const Weight*> missing;
    for (const Weight& weight : wanted.program->weights) {
      if (missing_.erase(key_of(weight, device.packing())) > 0) missing.push_back(&weight);
    }
    auto pieces = device.pack(missing, threads, [&](std::size_t done) { return progress(done_ + done, all_); });
    if (!pieces) return pieces.error();
    for (std::size_t i = 0; i < missing.size(); ++i) {
      const std::size_t bytes = device.weight_bytes(*missing[i]);
      PieceKey key = key_of(*missing[i], device.packing());
      auto piece = store_.keep(key, bytes, with_files((*pieces)[i]));
      held_.emplace(std::move(key), std::move(piece));
      done_ += bytes;
    }
    return {};
  }

  /// The piece as an object that keeps the files as well, into which it may look.
  [[nodiscard]] std::shared_ptr<const WeightPiece> with_files(const std::shared_ptr<const WeightPiece>& piece) const {
    const auto both =
        std::make_shared<const std::pair<std::shared_ptr<const void>, std::shared_ptr<const WeightPiece>>>(files_,
                                                                                                           piece);
    return {both, piece.get()};
  }

  WeightStore& store_;
  const std::shared_ptr<const void>& files_;
  std::map<PieceKey, std::shared_ptr<const WeightPiece>> held_;
  std::set<PieceKey> missing_;
  std::size_t all_ = 0, done_ = 0;
};

Result<std::vector<std::shared_ptr<const ShardWeights>>> WeightStore::load(const std::shared_ptr<const void>& files,
                                                                           std::span<const WantedWeights> wanted,
                                                                           std::uint32_t threads,
                                                                           const Progress& progress) {
  forget_expired();
  Loading loading(*this, files);
  for (const WantedWeights& each : wanted) loading.look_up(each);
  std::vector<std::shared_ptr<const ShardWeights>> all;
  for (const WantedWeights& each : wanted) {
    auto weights = loading.load(each, threads, progress);
    if (!weights) return weights.error();
    all.push_back(std::move(*weights));
  }
  if (loading.all() == 0 && !progress(1, 1)) return Error(Code::cancelled, "the packing of weights was cancelled");
  return all;
}

std::uint64_t WeightStore::bytes() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const auto& [key, entry] : entries_) sum += entry.piece.expired() ? 0 : entry.bytes;
  return sum;
}

void WeightStore::forget_expired() {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [](const auto& entry) { return entry.second.piece.expired(); });
}

std::shared_ptr<const WeightPiece> WeightStore::find(const PieceKey& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : found->second.piece.lock();
}

/// Where another load has been faster, its piece is taken.
std::shared_ptr<const WeightPiece> WeightStore::keep(const PieceKey& key, std::size_t bytes,
                                                     std::shared_ptr<const WeightPiece> piece) {
  const std::lock_guard lock(mutex_);
  const auto [entry, is_new] = entries_.try_emplace(key, Entry{piece, bytes});
  if (is_new) return piece;
  auto other = entry->second.piece.lock();
  if (other != nullptr) return other;
  entry->second.piece = piece;
  return piece;
}

}  // namespace troupe
