#include "runtime/tiers/packed_reader.hpp"

#include <cstring>
#include <utility>

#include "runtime/program/weights.hpp"
#include "runtime/tiers/disk_reader.hpp"

namespace troupe {
namespace {

class PackedReader : public UnitReader {
 public:
  PackedReader(std::shared_ptr<const PackedUnits> units, std::shared_ptr<const Program> program,
               std::shared_ptr<const StreamPlan> plan, std::shared_ptr<PrefetchCounts> counts,
               std::unique_ptr<DiskReader> disk)
      : units_(std::move(units)),
        program_(std::move(program)),
        plan_(std::move(plan)),
        counts_(std::move(counts)),
        places_(UnitReader::places),
        disk_(std::move(disk)) {}

  Result<void> begin(std::size_t place, std::size_t unit, std::span<std::byte> into) override {
    places_[place] = {unit, into};
    disk_->begin(place, units_->units()[unit].path, into);
    return {};
  }

  bool ready(std::size_t place) override { return disk_->ready(place); }

  Result<void> wait(std::size_t at, std::chrono::nanoseconds patience) override {
    const auto done = disk_->wait(at, patience);
    if (!disk_->ready(at)) return done;
    const auto [unit, bytes] = std::exchange(places_[at], {});
    if (bytes.empty()) return {};
    if (!done) return mend(unit, bytes);
    // Each time: the file may be overwritten while we run.
    return hash_of(bytes) == units_->units()[unit].hash ? Result<void>() : mend(unit, bytes);
  }

 private:
  /// Where it cannot be written either, it is packed anew each time, which is slow and right.
  Result<void> mend(std::size_t number, std::span<std::byte> into) {
    const StreamPlan::Unit& unit = plan_->unit(number);
    std::vector<const Weight*> weights;
    for (const WeightId id : unit.weights) weights.push_back(&program_->weights[id]);
    const auto pieces = pack_weights(weights, 1, [](std::size_t) { return true; });
    if (!pieces) return pieces.error();
    std::memset(into.data(), 0, into.size());
    std::memcpy(into.data(), (*pieces)[0]->weight().matrix.data, unit.bytes);
    counts_->mended.fetch_add(1, std::memory_order_relaxed);
    (void)write_unit(units_->units()[number], into);
    return {};
  }

  std::shared_ptr<const PackedUnits> units_;
  std::shared_ptr<const Program> program_;
  std::shared_ptr<const StreamPlan> plan_;
  std::shared_ptr<PrefetchCounts> counts_;
  struct Place {
    std::size_t unit = 0;
    std::span<std::byte> bytes;
  };
  std::vector<Place> places_;
  std::unique_ptr<DiskReader> disk_;
};

}  // namespace

std::unique_ptr<UnitReader> reader_of(std::shared_ptr<const PackedUnits> units, std::shared_ptr<const Program> program,
                                      std::shared_ptr<const StreamPlan> plan, std::shared_ptr<PrefetchCounts> counts,
                                      bool with_ring) {
  return std::make_unique<PackedReader>(std::move(units), std::move(program), std::move(plan), std::move(counts),
                                        DiskReader::create(UnitReader::places, with_ring));
}

}  // namespace troupe
