#include "runtime/tiers/packed_reader.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "runtime/program/weights.hpp"
#include "runtime/tiers/disk_file.hpp"

namespace troupe {
namespace {

class Reader {
 public:
  Reader(std::shared_ptr<const PackedFile> file, std::shared_ptr<const Program> program,
         std::shared_ptr<const StreamPlan> plan, std::shared_ptr<PrefetchCounts> counts, std::unique_ptr<DiskFile> disk)
      : file_(std::move(file)),
        program_(std::move(program)),
        plan_(std::move(plan)),
        counts_(std::move(counts)),
        disk_(std::move(disk)),
        seen_(file_->units().size()) {}

  Result<void> read(std::size_t number, std::span<std::byte> into) {
    const PackedFile::Unit& unit = file_->units()[number];
    if (auto done = disk_->read(unit.offset, into); !done) return done;
    if (seen_[number] || hash_of(into) == unit.hash) {  // once: what the disk has said, it goes on saying
      seen_[number] = true;
      return {};
    }
    return mend(number, into);
  }

 private:
  Result<void> mend(std::size_t number, std::span<std::byte> into) {
    std::vector<const Weight*> weights;
    for (const WeightId id : plan_->units[number].weights) weights.push_back(&program_->weights[id]);
    const auto pieces = pack_weights(weights, 1, [](std::size_t) { return true; });
    if (!pieces) return pieces.error();
    std::memset(into.data(), 0, into.size());
    std::memcpy(into.data(), (*pieces)[0]->weight().matrix.data, plan_->units[number].bytes);
    counts_->mended.fetch_add(1, std::memory_order_relaxed);
    const Descriptor file(::open(file_->path().c_str(), O_WRONLY | O_CLOEXEC));
    const auto offset = static_cast<off_t>(file_->units()[number].offset);
    // Where it cannot be written it is packed anew each time, which is slow and right.
    seen_[number] = file.number() >= 0 && pwrite(file.number(), into.data(), into.size(), offset) ==
                                              static_cast<ssize_t>(into.size());
    return {};
  }

  std::shared_ptr<const PackedFile> file_;
  std::shared_ptr<const Program> program_;
  std::shared_ptr<const StreamPlan> plan_;
  std::shared_ptr<PrefetchCounts> counts_;
  std::unique_ptr<DiskFile> disk_;
  std::vector<bool> seen_;
};

}  // namespace

Result<ReadUnit> reader_of(std::shared_ptr<const PackedFile> file, std::shared_ptr<const Program> program,
                           std::shared_ptr<const StreamPlan> plan, std::shared_ptr<PrefetchCounts> counts) {
  auto disk = DiskFile::open(file->path());
  if (!disk) return disk.error();
  const auto reader = std::make_shared<Reader>(std::move(file), std::move(program), std::move(plan), std::move(counts),
                                               std::move(*disk));
  return ReadUnit([reader](std::size_t unit, std::span<std::byte> into) { return reader->read(unit, into); });
}

}  // namespace troupe
