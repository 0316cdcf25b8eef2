#pragma once

#include <cstdint>

namespace troupe {

/// How many of a step's rows an expert takes, and what becomes of choices beyond that (Lepikhin et al., GShard, 2020).
/// First choices go before second ones, and of these the first rows. What is left of a row without any expert is its
/// residual. Other than `none`, a row's logits depend on those that it is computed with: such a model is outside of
/// what is promised of bits, and of texts that go on elsewhere.
struct ExpertCapacity {
  enum class Beyond : std::uint8_t {
    none,    ///< there is room for all
    drop,    ///< they count for nothing
    reroute  ///< to the best of the other experts that has room; they count for nothing where none has
  };
  Beyond beyond = Beyond::none;
  float factor = 1.25F;  ///< an expert's room in even shares of a step's choices; above 0, at most 10^6
};

}  // namespace troupe
