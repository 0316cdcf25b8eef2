#include "runtime/tiers/packed_reader.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "runtime/program/weights.hpp"
#include "runtime/tiers/disk_file.hpp"

namespace troupe {
namespace {

class PackedReader : public UnitReader {
 public:
  PackedReader(std::shared_ptr<const PackedFile> file, std::shared_ptr<const Program> program,
               std::shared_ptr<const StreamPlan> plan, std::shared_ptr<PrefetchCounts> counts,
               std::unique_ptr<DiskFile> disk)
      : file_(std::move(file)),
        program_(std::move(program)),
        plan_(std::move(plan)),
        counts_(std::move(counts)),
        places_(UnitReader::places),
        seen_(file_->units().size()),
        disk_(std::move(disk)) {}

  Result<void> begin(std::size_t place, std::size_t unit, std::span<std::byte> into) override {
    places_[place] = {unit, into};
    return disk_->begin(place, file_->units()[unit].offset, into);
  }

  bool ready(std::size_t place) override { return disk_->ready(place); }

  Result<void> wait(std::size_t at, std::chrono::nanoseconds patience) override {
    if (auto done = disk_->wait(at, patience); !done) return done;
    const auto [unit, bytes] = places_[at];
    if (bytes.empty() || seen_[unit]) return {};
    seen_[unit] = hash_of(bytes) == file_->units()[unit].hash;  // once: what the disk has said, it goes on saying
    return seen_[unit] ? Result<void>() : mend(unit, bytes);
  }

 private:
  Result<void> mend(std::size_t number, std::span<std::byte> into) {
    std::vector<const Weight*> weights;
    for (const WeightId id : plan_->unit(number).weights) weights.push_back(&program_->weights[id]);
    const auto pieces = pack_weights(weights, 1, [](std::size_t) { return true; });
    if (!pieces) return pieces.error();
    std::memset(into.data(), 0, into.size());
    std::memcpy(into.data(), (*pieces)[0]->weight().matrix.data, plan_->unit(number).bytes);
    counts_->mended.fetch_add(1, std::memory_order_relaxed);
    const Descriptor file(::open(file_->path().c_str(), O_WRONLY | O_CLOEXEC));
    const auto offset = static_cast<off_t>(file_->units()[number].offset);
    // Where it cannot be written it is packed anew each time, which is slow and right.
    seen_[number] = file.number() >= 0 &&
                    pwrite(file.number(), into.data(), into.size(), offset) == static_cast<ssize_t>(into.size());
    return {};
  }

  std::shared_ptr<const PackedFile> file_;
  std::shared_ptr<const Program> program_;
  std::shared_ptr<const StreamPlan> plan_;
  std::shared_ptr<PrefetchCounts> counts_;
  struct Place {
    std::size_t unit = 0;
    std::span<std::byte> bytes;
  };
  std::vector<Place> places_;
  std::vector<bool> seen_;
  std::unique_ptr<DiskFile> disk_;
};

}  // namespace

Result<std::unique_ptr<UnitReader>> reader_of(std::shared_ptr<const PackedFile> file,
                                              std::shared_ptr<const Program> program,
                                              std::shared_ptr<const StreamPlan> plan,
                                              std::shared_ptr<PrefetchCounts> counts, bool with_ring) {
  auto disk = DiskFile::open(file->path(), UnitReader::places, with_ring);
  if (!disk) return disk.error();
  return std::unique_ptr<UnitReader>(std::make_unique<PackedReader>(
      std::move(file), std::move(program), std::move(plan), std::move(counts), std::move(*disk)));
}

}  // namespace troupe
