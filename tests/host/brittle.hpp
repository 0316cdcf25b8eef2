#pragma once

#include <atomic>
#include <limits>
#include <stdexcept>

#include "actors/host/makers.hpp"
#include "kernels/table.hpp"
#include "runtime/device/cpu/cpu_device.hpp"
#include "tests/scarcity/refusal.hpp"

namespace troupe::testing {

/// Faults within a step, of all shards of make_brittle_shard(): in a kernel that an op calls, on any thread of a team;
/// and, by Refusal::counted_allocation(), where the thread that runs the step allocates.
class BrittleKernels {
 public:
  /// The n-th call of a kernel from now on throws, once.
  static void arm(std::int64_t n) { left_ = n; }
  /// No call throws any more. Returns whether one did.
  static bool end() { return left_.exchange(never_) <= 0; }

  static const kernels::KernelTable& table() {
    static const kernels::KernelTable brittle = [] {
      kernels::KernelTable table = *kernels::find_table();
      table.rms_norm = Brittle<&kernels::KernelTable::rms_norm>::call;
      table.matmul = Brittle<&kernels::KernelTable::matmul>::call;
      table.matmul_partial = Brittle<&kernels::KernelTable::matmul_partial>::call;
      table.matmul_leaves = Brittle<&kernels::KernelTable::matmul_leaves>::call;
      table.from_fixed = Brittle<&kernels::KernelTable::from_fixed>::call;
      table.rope = Brittle<&kernels::KernelTable::rope>::call;
      table.kv_append = Brittle<&kernels::KernelTable::kv_append>::call;
      table.attention = Brittle<&kernels::KernelTable::attention>::call;
      table.silu_mul = Brittle<&kernels::KernelTable::silu_mul>::call;
      return table;
    }();
    return brittle;
  }

 private:
  template <auto kernel>
  struct Brittle;
  template <class... Args, void (*kernels::KernelTable::*kernel)(Args...)>
  struct Brittle<kernel> {
    static void call(Args... args) {
      if (left_.load(std::memory_order_relaxed) < never_ && left_.fetch_sub(1) == 1)
        throw std::runtime_error("a kernel threw");
      (kernels::find_table()->*kernel)(args...);
    }
  };

  static constexpr std::int64_t never_ = std::numeric_limits<std::int64_t>::max() / 2;
  static inline std::atomic<std::int64_t> left_{never_};  // kernels are plain functions, without a place of their own
};

class CountedRunner final : public StepRunner {
 public:
  explicit CountedRunner(std::unique_ptr<StepRunner> runner) : runner_(std::move(runner)) {}
  StepOutcome run(const Step& step) override {
    const Refusal::Counted counted;
    return runner_->run(step);
  }
  void abort(const Error& why) override { runner_->abort(why); }

 private:
  std::unique_ptr<StepRunner> runner_;
};

inline Result<std::unique_ptr<StepRunner>> make_brittle_shard(const Part& part, host::Workbench bench) {
  bench.goods.device = make_cpu_device(BrittleKernels::table());
  auto runner = host::make_shard(part, std::move(bench));
  if (!runner) return runner.error();
  return std::unique_ptr<StepRunner>(std::make_unique<CountedRunner>(std::move(*runner)));
}

}  // namespace troupe::testing
