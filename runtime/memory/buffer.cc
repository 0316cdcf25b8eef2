#include "runtime/memory/buffer.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <string>

#if defined(__has_feature)  // Clang's way to ask
#if __has_feature(address_sanitizer)
#define TROUPE_ADDRESS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define TROUPE_ADDRESS_SANITIZER
#endif
#ifdef TROUPE_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace troupe {
namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;

}  // namespace

Result<Buffer> Buffer::allocate(std::size_t bytes, const char* what) {
  Buffer buffer;
  if (bytes == 0) return buffer;
  const std::size_t slack = bytes > huge_page ? huge_page : 0;
  buffer.mapped_ = bytes + slack;
  void* mapping = mmap(nullptr, buffer.mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) {
    buffer.mapped_ = 0;
    return Error(Code::out_of_memory, std::string("no memory for ") + what + ": " + std::to_string(bytes) + " bytes");
  }
#ifdef TROUPE_ADDRESS_SANITIZER
  // In a child of fork() it may be where another thread's stack was, of whose end the sanitizer has not heard.
  __asan_unpoison_memory_region(mapping, buffer.mapped_);
#endif
  buffer.mapping_ = mapping;
  buffer.data_ = static_cast<std::byte*>(mapping);
  if (slack != 0) {
    const auto address = reinterpret_cast<std::uintptr_t>(mapping);
    buffer.data_ += (huge_page - address % huge_page) % huge_page;
    madvise(buffer.data_, bytes, MADV_HUGEPAGE);
  }
  return buffer;
}

Buffer::~Buffer() {
  if (mapping_ != nullptr) munmap(mapping_, mapped_);
}

}  // namespace troupe
