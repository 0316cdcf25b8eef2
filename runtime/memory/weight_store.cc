#include "runtime/memory/weight_store.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace troupe {

PieceKey key_of(const Weight& weight, const void* file, std::string_view packing) {
  const kernels::PackSource& part = weight.source;
  return {file,      weight.tensor,     std::string(packing), weight.use,       part.first_row,
          part.rows, part.first_column, part.leaves,          part.leaf_columns};
}

/// One call of load().
class WeightStore::Loading {
 public:
  Loading(WeightStore& store, const std::shared_ptr<const void>& file, std::string_view packing)
      : store_(store), file_(file), packing_(packing) {}

  /// Holds what is here, so that it stays, and counts what is not.
  void look_up(const Program& program) {
    for (const Weight& weight : program.weights) {
      PieceKey key = key_of(weight, file_.get(), packing_);
      if (held_.contains(key) || missing_.contains(key)) continue;
      if (auto piece = store_.find(key)) {
        held_.emplace(std::move(key), std::move(piece));
      } else {
        all_ += weight_bytes(weight);
        missing_.insert(std::move(key));
      }
    }
  }

  Result<std::shared_ptr<const ShardWeights>> load(const Program& program, std::uint32_t threads,
                                                   const Progress& progress) {
    if (auto packed = pack(program, threads, progress); !packed) return packed.error();
    auto weights = std::make_shared<ShardWeights>();
    for (const Weight& weight : program.weights) {
      const auto& piece = held_.at(key_of(weight, file_.get(), packing_));
      weights->weights.push_back(piece->weight());
      weights->pieces.push_back(piece);
    }
    return std::shared_ptr<const ShardWeights>(std::move(weights));
  }

  [[nodiscard]] std::size_t all() const { return all_; }

 private:
  Result<void> pack(const Program& program, std::uint32_t threads, const Progress& progress) {
    std::vector<const Weight*> wanted;
    for (const Weight& weight : program.weights) {
      if (missing_.erase(key_of(weight, file_.get(), packing_)) > 0) wanted.push_back(&weight);
    }
    auto pieces = pack_weights(wanted, threads, [&](std::size_t done) { return progress(done_ + done, all_); });
    if (!pieces) return pieces.error();
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const std::size_t bytes = weight_bytes(*wanted[i]);
      PieceKey key = key_of(*wanted[i], file_.get(), packing_);
      auto piece = store_.keep(key, bytes, with_file((*pieces)[i]));
      held_.emplace(std::move(key), std::move(piece));
      done_ += bytes;
    }
    return {};
  }

  /// The piece as an object that keeps the file as well, which it may look into.
  [[nodiscard]] std::shared_ptr<const WeightPiece> with_file(const std::shared_ptr<const WeightPiece>& piece) const {
    const auto both =
        std::make_shared<const std::pair<std::shared_ptr<const void>, std::shared_ptr<const WeightPiece>>>(file_,
                                                                                                           piece);
    return {both, piece.get()};
  }

  WeightStore& store_;
  const std::shared_ptr<const void>& file_;
  std::string_view packing_;
  std::map<PieceKey, std::shared_ptr<const WeightPiece>> held_;
  std::set<PieceKey> missing_;
  std::size_t all_ = 0, done_ = 0;
};

Result<std::vector<std::shared_ptr<const ShardWeights>>> WeightStore::load(
    const std::shared_ptr<const void>& file, std::span<const std::shared_ptr<const Program>> programs,
    std::uint32_t threads, const Progress& progress, std::string_view packing) {
  Loading loading(*this, file, packing);
  for (const auto& program : programs) loading.look_up(*program);
  std::vector<std::shared_ptr<const ShardWeights>> all;
  for (const auto& program : programs) {
    auto weights = loading.load(*program, threads, progress);
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

std::shared_ptr<const WeightPiece> WeightStore::find(const PieceKey& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : found->second.piece.lock();
}

/// Where another load has been faster, its piece is taken.
std::shared_ptr<const WeightPiece> WeightStore::keep(const PieceKey& key, std::size_t bytes,
                                                     std::shared_ptr<const WeightPiece> piece) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [](const auto& entry) { return entry.second.piece.expired(); });
  const auto [entry, is_new] = entries_.try_emplace(key, Entry{piece, bytes});
  if (is_new) return piece;
  auto other = entry->second.piece.lock();
  if (other != nullptr) return other;
  entry->second.piece = piece;
  return piece;
}

}  // namespace troupe
