#pragma once

#include <sched.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "runtime/machine/cores.hpp"

namespace troupe::testing {

/// Limits the calling thread to two cores at most, as long as it lives, so that two threads of a model fill them.
class FewCores {
 public:
  FewCores() : all_(usable_cores()) { allow({all_.begin(), all_.begin() + std::min<std::ptrdiff_t>(2, count())}); }
  ~FewCores() { allow(all_); }
  FewCores(const FewCores&) = delete;
  FewCores& operator=(const FewCores&) = delete;

 private:
  [[nodiscard]] std::ptrdiff_t count() const { return static_cast<std::ptrdiff_t>(all_.size()); }
  static void allow(const std::vector<int>& cores) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const int core : cores) CPU_SET(core, &set);
    REQUIRE(sched_setaffinity(0, sizeof set, &set) == 0);
  }
  std::vector<int> all_;
};

}  // namespace troupe::testing
