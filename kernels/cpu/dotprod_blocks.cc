#include <utility>

#include "kernels/cpu/dotprod_tile.hpp"

/// Integer products by SDOT: of four rows by four columns, one of four activations, in one instruction.
namespace troupe::kernels::dotprod {

#include "kernels/cpu/block_sums.inl"
#include "kernels/cpu/neon_scales.inl"
#include "kernels/cpu/neon_weights.inl"

constexpr int offset_of(const Packing& packing) { return offset_to_signed(packing); }
constexpr int quarters_at_once(int tokens) { return tokens <= 2 ? quarters : 1; }

template <int tokens>
struct Activations {
  int8x16_t at[tokens][2];
};

template <int tokens>
[[gnu::always_inline]] inline Activations<tokens> load_activations(const Q8Block* in, std::size_t in_stride) {
  Activations<tokens> all;
#pragma GCC unroll 4
  for (int t = 0; t < tokens; ++t) {
    all.at[t][0] = vld1q_s8(in[t * in_stride].q);
    all.at[t][1] = vld1q_s8(in[t * in_stride].q + 16);
  }
  return all;
}

template <Format format, int four, int n, int tokens>
[[gnu::always_inline]] inline void add_four(const std::byte*& weights, const Activations<tokens>& activations,
                                            IntegerSums<tokens, n>& sums) {
  const Bytes<n> row = weights_plus<format, four, offset_of(packing_of(format)), n>(weights);
#pragma GCC unroll 4
  for (int q = 0; q < n; ++q) {
#pragma GCC unroll 4
    for (int t = 0; t < tokens; ++t) {
      int32x4_t& sum = sums.at[t][q];
      sum = vdotq_laneq_s32(sum, vreinterpretq_s8_u8(row.at[q]), activations.at[t][four / 4], four % 4);
    }
  }
}

template <Format format, int first, int n, int tokens, int... four>
[[gnu::always_inline]] inline void add_fours(std::integer_sequence<int, four...>, const std::byte*& weights,
                                             const Activations<tokens>& activations, IntegerSums<tokens, n>& sums) {
  (add_four<format, first + four>(weights, activations, sums), ...);
}

template <Format format, int first, int fours, int n, int tokens>
[[gnu::always_inline]] inline IntegerSums<tokens, n> multiply(const std::byte*& weights,
                                                              const Activations<tokens>& activations,
                                                              const std::int32_t (&start)[tokens]) {
  IntegerSums<tokens, n> sums;
#pragma GCC unroll 4
  for (int t = 0; t < tokens; ++t) {
#pragma GCC unroll 4
    for (int q = 0; q < n; ++q) sums.at[t][q] = vdupq_n_s32(start[t]);
  }
  add_fours<format, first>(std::make_integer_sequence<int, fours>{}, weights, activations, sums);
  return sums;
}

#include "kernels/cpu/neon_blocks.inl"

}  // namespace troupe::kernels::dotprod
