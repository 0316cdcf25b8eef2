#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace troupe::testing {

/// One way to run a model. None of it may show in the logits.
struct Case {
  std::string plan = "tp1";
  std::uint32_t threads = 1;
  std::uint32_t chunk = 512;
  std::string isa;
  bool fusion = true;
  bool mates = false;  ///< among other requests of unequal lengths
};

/// As `troupe logits` would be told.
[[nodiscard]] std::string to_string(const Case& run);

/// One plan with other factors that cover all pairs of their values, the slow reference kernels aside, or all
/// combinations.
enum class Extent { pairs, product };
[[nodiscard]] std::vector<Case> cases_of(const std::string& plan, Extent extent, std::mt19937_64& random);

/// Few cases in which all pairs of values of all factors meet, the plan's own among them: each of dp, pp and tp absent,
/// even, or uneven. Which of `plans` stands for its kind is drawn.
[[nodiscard]] std::vector<Case> covering_cases(const std::vector<std::string>& plans, std::mt19937_64& random);

/// N of a factor dpN in the plan; 1 where there is none.
[[nodiscard]] std::size_t replicas_of(const std::string& plan);

}  // namespace troupe::testing
