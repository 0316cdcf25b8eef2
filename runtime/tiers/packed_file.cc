#include "runtime/tiers/packed_file.hpp"

#define XXH_INLINE_ALL
#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "runtime/model/descriptor.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

/// Read and written as it lies in memory: the file stays on the machine that made it.
struct Header {
  char magic[8] = {'t', 'r', 'o', 'u', 'p', 'e', 'P', '1'};
  XXH128_hash_t source{};
  std::uint64_t units = 0;
};

template <class T>
std::span<const std::byte> bytes_of(std::span<const T> all) {
  return std::as_bytes(all);
}

/// Of all that the units are packed from, and how.
XXH128_hash_t source_hash(const WantedWeights& shard) {
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  const auto add = [&](const void* data, std::size_t bytes) { XXH3_128bits_update(&state, data, bytes); };
  add(shard.device->packing().data(), shard.device->packing().size());
  for (std::size_t i = 0; i < shard.stream->units(); ++i) {
    for (const WeightId id : shard.stream->unit(i).weights) {
      const kernels::PackSource& source = shard.program->weights[id].source;
      const std::uint32_t shape[] = {static_cast<std::uint32_t>(source.format),
                                     source.tensor_columns,
                                     source.first_row,
                                     source.rows,
                                     source.first_column,
                                     source.leaves,
                                     source.leaf_columns};
      add(shape, sizeof shape);
      const std::size_t row = kernels::row_bytes(source.format, source.tensor_columns);
      add(source.tensor + source.first_row * row, source.rows * row);
    }
    add("|", 1);
  }
  return XXH3_128bits_digest(&state);
}

std::string name_of(const XXH128_hash_t& hash) {
  char name[48];
  std::snprintf(name, sizeof name, "%016llx%016llx.packed", static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return name;
}

/// The header, the units, and the hash of both.
std::vector<std::byte> written(const XXH128_hash_t& source, const std::vector<PackedFile::Unit>& units) {
  Header header;
  header.source = source;
  header.units = units.size();
  std::vector<std::byte> bytes(sizeof header + units.size() * sizeof units[0] + sizeof(std::uint64_t));
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + sizeof header, units.data(), units.size() * sizeof units[0]);
  const std::uint64_t hash = hash_of(std::span(bytes).first(bytes.size() - sizeof hash));
  std::memcpy(bytes.data() + bytes.size() - sizeof hash, &hash, sizeof hash);
  return bytes;
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

/// Whether the first rows of each unit are what this build packs of them: another may have packed otherwise.
bool packed_alike(int file, const WantedWeights& shard, const std::vector<PackedFile::Unit>& units) {
  for (std::size_t i = 0; i < units.size(); ++i) {
    const kernels::PackSource& source = shard.program->weights[shard.stream->unit(i).weights[0]].source;
    std::vector<std::byte> here(kernels::packed_layout(source).group_bytes + kernels::packed_padding), there(here);
    kernels::pack(source, 0, 1, here.data());
    const std::size_t bytes = here.size() - kernels::packed_padding;
    if (!read_all(file, std::span(there).first(bytes), units[i].offset)) return false;
    if (std::memcmp(here.data(), there.data(), bytes) != 0) return false;
  }
  return true;
}

/// The units of a file that is there and as it should be.
std::optional<std::vector<PackedFile::Unit>> known(const std::string& path, const WantedWeights& shard,
                                                   const XXH128_hash_t& source) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number() < 0) return {};
  std::vector<PackedFile::Unit> units(shard.stream->units());
  std::vector<std::byte> header = written(source, units), there(header.size());
  if (!read_all(file.number(), there, 0)) return {};
  std::memcpy(units.data(), there.data() + sizeof(Header), units.size() * sizeof units[0]);
  if (written(source, units) != there) return {};
  const std::uint64_t end = units.back().offset + units.back().bytes;
  if (lseek(file.number(), 0, SEEK_END) != static_cast<off_t>(end)) return {};
  if (!packed_alike(file.number(), shard, units)) return {};
  return units;
}

/// A file under a name of its own until it is whole.
class Making {
 public:
  Making(std::string folder, const std::string& name) : folder_(std::move(folder)), path_(folder_ + "/" + name) {}
  ~Making() {
    if (!part_.empty()) ::unlink(part_.c_str());
  }

  Result<void> open() {
    std::error_code failed;
    std::filesystem::create_directories(folder_, failed);
    if (failed) return error(failed.value());
    static std::atomic<unsigned> made{0};  // two loads of this process may make the same
    part_ = path_ + "." + std::to_string(getpid()) + "-" + std::to_string(made++) + ".part";
    file_ = Descriptor(::open(part_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    return file_.number() < 0 ? error(errno) : Result<void>();
  }

  Result<void> write(std::span<const std::byte> bytes, std::uint64_t offset) {
    while (!bytes.empty()) {
      const ssize_t put = pwrite(file_.number(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return error(errno);
      bytes = bytes.subspan(static_cast<std::size_t>(put));
      offset += static_cast<std::uint64_t>(put);
    }
    return {};
  }

  /// Whole, on the disk, and out of the page cache, for it will be read past that.
  Result<void> close() {
    if (fdatasync(file_.number()) != 0) return error(errno);
    posix_fadvise(file_.number(), 0, 0, POSIX_FADV_DONTNEED);
    file_ = Descriptor();
    if (::rename(part_.c_str(), path_.c_str()) != 0) return error(errno);
    part_.clear();
    return {};
  }

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  [[nodiscard]] Error error(int number) const {
    return {Code::failed, "packed weights cannot be kept in " + troupe::quoted(folder_) + ": " + std::strerror(number) +
                              "; name a folder on another disk (LoadOptions::weights_folder, XDG_CACHE_HOME)"};
  }

  std::string folder_, path_, part_;
  Descriptor file_;
};

/// Packs the units one after the other, so that memory never has more than one of them.
Result<std::vector<PackedFile::Unit>> make(Making& file, const WantedWeights& shard, const XXH128_hash_t& source,
                                           std::uint32_t threads, const Advanced& advanced) {
  std::vector<PackedFile::Unit> units(shard.stream->units());
  std::uint64_t offset = whole_pages(written(source, units).size());
  std::uint64_t done = 0;
  for (std::size_t i = 0; i < units.size(); ++i) {
    const StreamPlan::Unit& unit = shard.stream->unit(i);
    std::vector<const Weight*> weights;
    for (const WeightId id : unit.weights) weights.push_back(&shard.program->weights[id]);
    const auto pieces =
        shard.device->pack(weights, threads, [&](std::size_t packed) { return advanced(done + packed); });
    if (!pieces) return pieces.error();
    const std::uint64_t bytes = whole_pages(unit.bytes);
    std::vector<std::byte> page(bytes - unit.bytes);
    const std::span packed((*pieces)[0]->weight().matrix.data, unit.bytes);
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, packed.data(), packed.size());
    XXH3_64bits_update(&state, page.data(), page.size());
    units[i] = {offset, bytes, XXH3_64bits_digest(&state)};
    if (auto put = file.write(packed, offset); !put) return put.error();
    if (auto put = file.write(page, offset + unit.bytes); !put) return put.error();
    offset += bytes;
    done += unit.bytes;
  }
  if (auto put = file.write(written(source, units), 0); !put) return put.error();
  if (auto closed = file.close(); !closed) return closed.error();
  return units;
}

}  // namespace

std::uint64_t hash_of(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

Result<std::shared_ptr<const PackedFile>> PackedFile::open_or_make(const std::string& folder,
                                                                   const WantedWeights& shard, std::uint32_t threads,
                                                                   const Advanced& advanced) {
  const XXH128_hash_t source = source_hash(shard);
  Making file(folder, name_of(source));
  auto units = known(file.path(), shard, source);
  if (!units) {
    if (auto opened = file.open(); !opened) return opened.error();
    auto made = make(file, shard, source, threads, advanced);
    if (!made) return made.error();
    units = std::move(*made);
  } else if (!advanced(shard.stream->bytes_on_disk())) {
    return Error(Code::cancelled, "the packing of weights was cancelled");
  }
  return std::shared_ptr<const PackedFile>(new PackedFile(file.path(), std::move(*units)));
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
