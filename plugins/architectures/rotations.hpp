#pragma once

#include "plugins/architectures/common.hpp"
#include "plugins/architectures/reader.hpp"

namespace troupe::plugins {

/// Tensors of factors that frequencies are divided by: whatever the scaling, and LongRoPE's.
inline constexpr const char *frequency_factors = "rope_freqs.weight", *long_factors = "rope_factors_long.weight",
                            *short_factors = "rope_factors_short.weight";

/// What "<prefix>.rope.*" and the tensors of frequency factors say, all scalings that files have among it: linear, YaRN
/// (Peng et al. 2023), LongRoPE (Ding et al. 2024) and Llama 3's, which is a tensor of divisors. LongRoPE's long
/// factors count where the file's context is longer than its original one: which they are must not depend on what a
/// host asks for.
[[nodiscard]] RotationShape read_rotation(Reader& read, const TransformerDefaults& defaults, std::uint32_t head_dim,
                                          std::uint32_t context);

}  // namespace troupe::plugins
