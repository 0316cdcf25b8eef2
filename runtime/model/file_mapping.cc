#include "runtime/model/file_mapping.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

/// An open file, closed at the end of its scope; a mapping outlives it.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  [[nodiscard]] int number() const { return number_; }

 private:
  int number_;
};

Error refused(const std::string& path, const char* what) {
  const int reason = errno;
  const Code code = reason == ENOENT || reason == ENOTDIR ? Code::not_found : Code::failed;
  return {code, quoted(path) + ": cannot " + what + ": " + std::generic_category().message(reason)};
}

}  // namespace

Result<std::shared_ptr<const FileMapping>> FileMapping::open(const std::string& path) {
  // O_NONBLOCK: a pipe without a writer would otherwise hold the caller forever.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.number() < 0) return refused(path, "open the model file");
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) return refused(path, "ask for the size");
  if (S_ISDIR(status.st_mode)) return Error(Code::bad_file, quoted(path) + ": is a directory; expected a model file");
  if (!S_ISREG(status.st_mode)) {
    return Error(Code::bad_file, quoted(path) + ": is a device, pipe or socket; expected a model file");
  }
  if (status.st_size == 0) return Error(Code::bad_file, quoted(path) + ": is empty; expected a model file");
  const auto size = static_cast<std::size_t>(status.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.number(), 0);
  if (data == MAP_FAILED) return refused(path, "map the model file");
  return std::shared_ptr<const FileMapping>(new FileMapping({static_cast<const std::byte*>(data), size}));
}

FileMapping::~FileMapping() { ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size()); }

}  // namespace troupe
