#pragma once

#include <cstdint>

namespace troupe::testing {

/// Memory that is refused. This program's `operator new` and its calls of mmap go through here; both count on every
/// thread that does not say that it is the test's own.
class Refusal {
 public:
  /// The n-th allocation from now on (1: the next) throws std::bad_alloc, once.
  static void allocation(std::int64_t n);
  /// The same of those alone that come within a Counted.
  static void counted_allocation(std::int64_t n);
  /// The n-th mapping of anonymous memory from now on fails, and `times` - 1 after it.
  static void mapping(std::int64_t n, std::int64_t times = 1);
  /// Refuses nothing more. Returns whether anything was refused.
  static bool end();

  /// The calling thread's allocations are counted_allocation()'s, as long as one of these lives.
  class Counted {
   public:
    Counted();
    ~Counted();
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
  };

  /// The calling thread's own allocations are not counted, as long as one of these lives.
  class Own {
   public:
    Own();
    ~Own();
    Own(const Own&) = delete;
    Own& operator=(const Own&) = delete;
  };
};

}  // namespace troupe::testing
