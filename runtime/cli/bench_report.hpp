#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "troupe/runtime.hpp"

namespace troupe::cli {

/// What every row of a bench has in common.
struct BenchSetup {
  std::string model;             ///< file
  std::uint64_t model_size = 0;  ///< bytes of its tensors
  std::string plan;              ///< or a graph's file; empty: one shard
  std::string isa;               ///< empty: the best
  std::uint32_t threads = 0;     ///< of a shard
  LoadOptions load;
};

/// One row: prefill of n_prompt tokens, or decoding of n_gen, of every sequence.
struct BenchTest {
  std::uint32_t n_prompt, n_gen;
  std::vector<std::uint64_t> samples_ns;
  std::vector<double> samples_ts;  ///< tokens of all sequences per second
};

/// The rows as "table", "json", "csv" or "md", under llama-bench's names where it has one.
std::string bench_report(const std::string& form, const BenchSetup& setup, const std::vector<BenchTest>& tests);

}  // namespace troupe::cli
