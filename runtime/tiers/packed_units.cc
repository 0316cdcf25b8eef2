#include "runtime/tiers/packed_units.hpp"

#define XXH_INLINE_ALL
#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "runtime/model/descriptor.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

/// Behind a unit's bytes, as it lies in memory: the file stays on the machine that made it.
struct Trailer {
  char magic[8] = {'t', 'r', 'o', 'u', 'p', 'e', 'P', '1'};
  std::uint64_t source[2]{}, hash = 0;
  friend bool operator==(const Trailer&, const Trailer&) = default;
};

/// The path and size of a unit, by the hash of what it is packed from, and how.
PackedUnits::Unit unit_of(const WantedWeights& shard, const StreamPlan::Unit& unit, const std::string& folder) {
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  XXH3_128bits_update(&state, shard.device->packing().data(), shard.device->packing().size());
  for (const WeightId id : unit.weights) {
    const kernels::PackSource& source = shard.program->weights[id].source;
    const std::uint32_t shape[] = {static_cast<std::uint32_t>(source.format),
                                   source.tensor_columns,
                                   source.first_row,
                                   source.rows,
                                   source.first_column,
                                   source.leaves,
                                   source.leaf_columns};
    XXH3_128bits_update(&state, shape, sizeof shape);
    const std::size_t row = kernels::row_bytes(source.format, source.tensor_columns);
    XXH3_128bits_update(&state, source.tensor + source.first_row * row, source.rows * row);
  }
  const XXH128_hash_t hash = XXH3_128bits_digest(&state);
  char name[48];
  std::snprintf(name, sizeof name, "/%016llx%016llx.unit", static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return {folder + name, whole_pages(unit.bytes), 0, {hash.low64, hash.high64}};
}

bool read_all(int file, std::span<std::byte> into, std::uint64_t offset) {
  while (!into.empty()) {
    const ssize_t got = pread(file, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    into = into.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return true;
}

/// Whether its first rows are what this build packs of them: another may have packed otherwise.
bool packed_alike(int file, const kernels::PackSource& source) {
  const std::size_t bytes = kernels::packed_layout(source).group_bytes;
  std::vector<std::byte> here(bytes + kernels::packed_padding), there(bytes);
  kernels::pack(source, 0, 1, here.data());
  return read_all(file, there, 0) && std::memcmp(here.data(), there.data(), bytes) == 0;
}

/// Whether its file is there and as it should be; then its hash is known.
bool is_there(PackedUnits::Unit& unit, const kernels::PackSource& first) {
  const Descriptor file(::open(unit.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  Trailer trailer, wanted{.source = {unit.source[0], unit.source[1]}};
  if (file.number() < 0) return false;
  if (lseek(file.number(), 0, SEEK_END) != static_cast<off_t>(unit.bytes + sizeof trailer)) return false;
  if (!read_all(file.number(), std::as_writable_bytes(std::span(&trailer, 1)), unit.bytes)) return false;
  wanted.hash = unit.hash = trailer.hash;
  return trailer == wanted && packed_alike(file.number(), first);
}

Error cannot_keep(const std::string& path, int number) {
  const std::string folder = std::filesystem::path(path).parent_path();
  return {Code::failed, "packed weights cannot be kept in " + troupe::quoted(folder) + ": " + std::strerror(number) +
                            "; name a folder on another disk (LoadOptions::weights_folder, XDG_CACHE_HOME)"};
}

bool write_all(int file, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(file, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return true;
}

/// Packs a unit, and writes its file.
Result<void> make(PackedUnits::Unit& made, const WantedWeights& shard, const StreamPlan::Unit& unit,
                  std::uint32_t threads, const Advanced& advanced) {
  std::vector<const Weight*> weights;
  for (const WeightId id : unit.weights) weights.push_back(&shard.program->weights[id]);
  const auto pieces = shard.device->pack(weights, threads, advanced);
  if (!pieces) return pieces.error();
  auto whole = Buffer::allocate(made.bytes, "a unit of packed weights");
  if (!whole) return whole.error();
  std::memcpy(whole->data(), (*pieces)[0]->weight().matrix.data, unit.bytes);
  const std::span<const std::byte> packed(whole->data(), made.bytes);
  made.hash = hash_of(packed);
  return write_unit(made, packed);
}

}  // namespace

std::uint64_t hash_of(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

Result<void> write_unit(const PackedUnits::Unit& unit, std::span<const std::byte> packed) {
  static std::atomic<unsigned> made{0};  // two loads of this process may make the same
  const std::string part = unit.path + "." + std::to_string(getpid()) + "-" + std::to_string(made++) + ".part";
  const Trailer trailer{.source = {unit.source[0], unit.source[1]}, .hash = unit.hash};
  const Descriptor file(::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (file.number() < 0) return cannot_keep(unit.path, errno);
  const bool written = write_all(file.number(), packed) &&
                       write_all(file.number(), std::as_bytes(std::span(&trailer, 1))) && fdatasync(file.number()) == 0;
  posix_fadvise(file.number(), 0, 0, POSIX_FADV_DONTNEED);  // it will be read past the page cache
  if (written && ::rename(part.c_str(), unit.path.c_str()) == 0) return {};
  const int wrong = errno;
  ::unlink(part.c_str());
  return cannot_keep(unit.path, wrong);
}

Result<std::shared_ptr<const PackedUnits>> PackedUnits::find_or_make(const std::string& folder,
                                                                     const WantedWeights& shard, std::uint32_t threads,
                                                                     const Advanced& advanced) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) return cannot_keep(folder + "/", failed.value());
  std::vector<Unit> units;
  std::uint64_t done = 0;
  for (std::size_t i = 0; i < shard.stream->units(); ++i) {
    const StreamPlan::Unit& unit = shard.stream->unit(i);
    Unit& packed = units.emplace_back(unit_of(shard, unit, folder));
    if (!is_there(packed, shard.program->weights[unit.weights[0]].source)) {
      const auto advance = [&](std::size_t bytes) { return advanced(done + bytes); };
      if (auto made = make(packed, shard, unit, threads, advance); !made) return made.error();
    }
    done += unit.bytes;
    if (!advanced(done)) return Error(Code::cancelled, "the packing of weights was cancelled");
  }
  return std::shared_ptr<const PackedUnits>(new PackedUnits(std::move(units)));
}

Result<std::string> default_packed_folder() {
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (const std::string cache = set("XDG_CACHE_HOME"); !cache.empty()) return cache + "/troupe/packed";
  if (const std::string home = set("HOME"); !home.empty()) return home + "/.cache/troupe/packed";
  return Error(Code::not_found,
               "there is no folder for packed weights: HOME is not set; give one "
               "(LoadOptions::weights_folder, XDG_CACHE_HOME)");
}

}  // namespace troupe
