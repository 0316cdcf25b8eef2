#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace troupe::testing {

/// What happens to a model while it computes logits.
enum class Meanwhile {
  nothing,
  prefix_hits,  ///< its cache has the beginning of the prompt, up to each edge of a block in turn
  preemption,   ///< older requests take blocks away: the memory is that of one sequence
  restart,      ///< a replica breaks, at a random step, and comes back
  growth,       ///< a replica is added
  drain,        ///< a replica is taken away
  change,       ///< another plan takes the place of this one
};
inline constexpr Meanwhile all_that_happens[] = {Meanwhile::nothing, Meanwhile::prefix_hits, Meanwhile::preemption,
                                                 Meanwhile::restart, Meanwhile::growth,      Meanwhile::drain,
                                                 Meanwhile::change};

/// One way to run a model. None of it may show in the logits.
struct Case {
  std::string plan = "tp1";
  std::uint32_t threads = 1;
  std::uint32_t chunk = 512;
  std::string devices;  ///< an instruction set, or one of those below
  bool fusion = true;
  bool mates = false;          ///< among other requests of unequal lengths
  std::string via = "memory";  ///< by which all that flows between nodes travels, or "bytes"
  Meanwhile meanwhile = Meanwhile::nothing;
  bool streamed = false;  ///< as many of its weights on disk as can be
  /// Of what is drawn while it runs: the late device's order, the step at which a replica breaks.
  std::uint64_t seed = 0;
};

/// Shards take turns on all devices of this processor, the reference kernels among them.
inline constexpr const char* mixed_isas = "mixed";

/// Every shard on the tests' late device, or every second one; the others on the processor.
inline constexpr const char* late = "late";
inline constexpr const char* late_beside_cpu = "late+cpu";

/// On which, one after the other, a case's shards take turns, as graphs name them.
[[nodiscard]] std::vector<std::string> devices_of(const Case& run);

/// Whether the reference kernels have a part in it, which are a hundred times slower than others.
[[nodiscard]] bool slow(const Case& run);

/// Whether a sanitizer slows everything down (TROUPE_SANITIZE is not empty).
[[nodiscard]] bool sanitized();

/// As `troupe logits` would be told, and what it knows nothing of.
[[nodiscard]] std::string to_string(const Case& run);

// Cases are drawn: which values go together, and which of `plans` stands for its kind, where there are kinds: each of
// dp, pp, sp, cp, ep and tp absent, even, or uneven, as far as they come together. Where sanitized() the reference
// kernels are left out. "Quiet" are cases of what the product has alone: on this processor, through memory, and nothing
// happens meanwhile.

/// Few quiet cases in which all pairs of values of all factors meet, the plan's own among them.
[[nodiscard]] std::vector<Case> quiet_pairs(const std::vector<std::string>& plans, std::mt19937_64& random);

/// Fewer, in which every value of every factor occurs.
[[nodiscard]] std::vector<Case> quiet_values(const std::vector<std::string>& plans, std::mt19937_64& random);

/// One plan with every combination of the other factors.
[[nodiscard]] std::vector<Case> quiet_cases_of(const std::string& plan);

/// The same of all cases: all pairs,
[[nodiscard]] std::vector<Case> all_pairs(const std::vector<std::string>& plans, std::mt19937_64& random);

/// every value, those aside that are slow(),
[[nodiscard]] std::vector<Case> fast_values(const std::vector<std::string>& plans, std::mt19937_64& random);

/// the same of one plan,
[[nodiscard]] std::vector<Case> fast_values_of(const std::string& plan, std::mt19937_64& random);

/// and every combination.
[[nodiscard]] std::vector<Case> all_cases_of(const std::string& plan, std::mt19937_64& random);

/// N of a factor dpN in the plan; 1 where there is none.
[[nodiscard]] std::size_t replicas_of(const std::string& plan);

}  // namespace troupe::testing
