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
  std::string isa;  ///< or mixed_isas: each shard another one
  bool fusion = true;
  bool mates = false;  ///< among other requests of unequal lengths
};

/// Shards take turns on all devices of this processor, the reference kernels among them.
inline constexpr const char* mixed_isas = "mixed";

/// On which, for mixed_isas, shards take turns.
[[nodiscard]] std::vector<std::string> devices_to_mix();

/// Whether a sanitizer slows everything down (TROUPE_SANITIZE is not empty).
[[nodiscard]] bool sanitized();

/// As `troupe logits` would be told (of mixed_isas it knows nothing: there a graph would say it).
[[nodiscard]] std::string to_string(const Case& run);

/// One plan with every value of each other factor, the slow reference kernels aside; which go together is drawn.
[[nodiscard]] std::vector<Case> some_cases_of(const std::string& plan, std::mt19937_64& random);

/// Fewer cases, in which every value of every factor occurs, the kinds of plans of covering_cases() among them; which
/// go together is drawn.
[[nodiscard]] std::vector<Case> some_cases(const std::vector<std::string>& plans, std::mt19937_64& random);

/// One plan with every combination of the other factors.
[[nodiscard]] std::vector<Case> all_cases_of(const std::string& plan);

/// Few cases in which all pairs of values of all factors meet, the plan's own among them: each of dp, pp and tp absent,
/// even, or uneven. Which of `plans` stands for its kind is drawn. Where sanitized() the reference kernels are left
/// out.
[[nodiscard]] std::vector<Case> covering_cases(const std::vector<std::string>& plans, std::mt19937_64& random);

/// N of a factor dpN in the plan; 1 where there is none.
[[nodiscard]] std::size_t replicas_of(const std::string& plan);

}  // namespace troupe::testing
