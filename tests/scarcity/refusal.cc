#include "tests/scarcity/refusal.hpp"

#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>

namespace troupe::testing {
namespace {

constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max() / 2;

std::atomic<std::int64_t> allocations_left{never}, counted_left{never}, mappings_left{never}, mappings_to_refuse{0};
std::atomic<bool> refused{false};
thread_local int own = 0, counted = 0;

/// Counts one.
bool is_refused(std::atomic<std::int64_t>& left) {
  return left.load(std::memory_order_relaxed) < never && left.fetch_sub(1) == 1;
}

void* allocate(std::size_t bytes, std::size_t alignment) {
  if ((own == 0 && is_refused(allocations_left)) || (counted > 0 && is_refused(counted_left))) {
    refused = true;
    throw std::bad_alloc();
  }
  const std::size_t whole = (bytes == 0 ? 1 : bytes) + alignment - 1;
  void* const memory = std::aligned_alloc(alignment, whole / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void Refusal::allocation(std::int64_t n) { allocations_left = n; }

void Refusal::counted_allocation(std::int64_t n) { counted_left = n; }

void Refusal::mapping(std::int64_t n, std::int64_t times) {
  mappings_to_refuse = times;
  mappings_left = n;
}

bool Refusal::end() {
  allocations_left = never;
  counted_left = never;
  mappings_left = never;
  return refused.exchange(false);
}

Refusal::Counted::Counted() { ++counted; }
Refusal::Counted::~Counted() { --counted; }
Refusal::Own::Own() { ++own; }
Refusal::Own::~Own() { --own; }

}  // namespace troupe::testing

// NOLINTBEGIN: what the linker calls in place of the originals
extern "C" void* __real_mmap(void* address, std::size_t bytes, int protection, int flags, int file, off_t offset);

extern "C" void* __wrap_mmap(void* address, std::size_t bytes, int protection, int flags, int file, off_t offset) {
  using namespace troupe::testing;
  if ((flags & MAP_ANONYMOUS) != 0 && mappings_left.load() < never && mappings_left.fetch_sub(1) <= 1 &&
      mappings_to_refuse.fetch_sub(1) > 0) {
    refused = true;
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return __real_mmap(address, bytes, protection, flags, file, offset);
}

void* operator new(std::size_t bytes) { return troupe::testing::allocate(bytes, alignof(std::max_align_t)); }
void* operator new[](std::size_t bytes) { return troupe::testing::allocate(bytes, alignof(std::max_align_t)); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return troupe::testing::allocate(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return troupe::testing::allocate(bytes, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return troupe::testing::allocate(bytes, alignof(std::max_align_t));
  } catch (...) {
    return nullptr;
  }
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
// NOLINTEND
