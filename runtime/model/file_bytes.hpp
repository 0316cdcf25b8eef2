#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "runtime/memory/buffer.hpp"
#include "runtime/model/descriptor.hpp"
#include "troupe/error.hpp"

struct stat;

namespace troupe {

/// The bytes of a whole file, read-only: mapped, copied into memory of ours, or lent by the caller. Immutable; any
/// thread. While it is mapped, the file must not become shorter: who then touches bytes behind its end gets SIGBUS.
class FileBytes {
 public:
  /// Opens a regular file, once; nothing else is waited for or read. `copy`: whether it is copied; where it is not
  /// given, files on network and FUSE file systems are. An error says why there is nothing to open, or that the file
  /// changed while it was copied.
  [[nodiscard]] static Result<std::shared_ptr<const FileBytes>> open(const std::string& path,
                                                                     std::optional<bool> copy = {});

  /// The same for an open file, whose descriptor stays the caller's; `name` is what messages call it.
  [[nodiscard]] static Result<std::shared_ptr<const FileBytes>> open(int descriptor, const std::string& name,
                                                                     std::optional<bool> copy);

  /// Bytes that are in memory already, and stay there; `name` is what messages call them. `owner` is kept as long.
  [[nodiscard]] static std::shared_ptr<const FileBytes> lend(std::string name, std::span<const std::byte> bytes,
                                                             std::shared_ptr<const void> owner = {});

  /// A copy of what has none: of a mapped file, read anew from the file (an error, and no signal, where it has changed
  /// since it was opened), or of memory.
  [[nodiscard]] Result<std::shared_ptr<const FileBytes>> copied() const;

  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;
  ~FileBytes();

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] bool is_mapped() const { return file_.number() >= 0; }
  [[nodiscard]] std::size_t copied_bytes() const { return copy_.data() == nullptr ? 0 : bytes_.size(); }

 private:
  /// By which a file that has been written to is told from what it was.
  struct Stamp {
    std::int64_t size, seconds, nanoseconds;  ///< when it was last written to
    bool operator==(const Stamp&) const = default;
  };

  explicit FileBytes(std::string path, Stamp stamp = {}) : path_(std::move(path)), stamp_(stamp) {}
  [[nodiscard]] static Stamp stamp_of(const struct stat& status);
  [[nodiscard]] static Result<std::shared_ptr<const FileBytes>> open(Descriptor file, const std::string& path,
                                                                     std::optional<bool> copy);
  [[nodiscard]] Result<void> map(Descriptor file);
  [[nodiscard]] Result<void> take(std::span<const std::byte> bytes);
  [[nodiscard]] Result<void> read(const Descriptor& file, std::string_view since);

  std::string path_;
  Stamp stamp_;  ///< of the file as it was opened
  std::span<const std::byte> bytes_;
  Buffer copy_;
  Descriptor file_;                    ///< while mapped, to copy from
  std::shared_ptr<const void> owner_;  ///< of lent bytes
};

/// Reads into `bytes` from an offset, as pread does.
using ReadAt = std::function<ssize_t(std::span<std::byte> bytes, std::size_t offset)>;

/// Fills `into` by as many reads as it takes. An error where one fails, or the file ends before.
[[nodiscard]] Result<void> read_whole(const std::string& path, const ReadAt& read, std::span<std::byte> into);

/// Whether others than this machine's processes may write to a file system of this kind (statfs's f_type): networks'
/// and those of FUSE.
[[nodiscard]] bool is_shared_file_system(std::uint64_t type);

/// Why a file could not be opened, mapped or read, by errno: one line that says what would be right.
[[nodiscard]] Error file_error(const std::string& path, int reason);

}  // namespace troupe
