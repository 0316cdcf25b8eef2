// Tile kernels for NEON: a group of 16 output rows is four vectors, a lane one row. Included in the namespace of each
// of its levels.

using cpu::FloatTileKernel;
using cpu::Tile;
using cpu::TileKernel;
using cpu::TileOutput;

/// The kernel of a format for tiles of `groups` (1) by `tokens` (at most TileSize's): of integers, all or those whose
/// weights lie in `planes`.
[[nodiscard]] TileKernel tile_kernel(Format format, std::size_t groups, std::size_t tokens);
template <Planes planes>
[[nodiscard]] TileKernel block_kernel(Format format, std::size_t groups, std::size_t tokens);

inline constexpr int quarters = 4;
inline constexpr std::size_t quarter_rows = group_rows / quarters;

/// Sums of a tile.
template <int tokens>
struct FloatSums {
  float32x4_t at[tokens][quarters];
};
/// Of `n` quarters of its rows.
template <int tokens, int n>
struct IntegerSums {
  int32x4_t at[tokens][n];
};

inline float32x4_t load_f16(const std::byte* at) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const std::uint16_t*>(at))));
}

/// Calls f(token, quarter) for all of a tile.
template <int tokens, class Function>
[[gnu::always_inline]] inline void for_each_sum(Function f) {
#pragma GCC unroll 8
  for (int t = 0; t < tokens; ++t) {
#pragma GCC unroll 4
    for (int q = 0; q < quarters; ++q) f(t, q);
  }
}

void drop_overflow(float* sums, std::size_t vectors, std::size_t tokens, std::uint8_t* overflow);

template <int tokens>
inline bool in_range(const FloatSums<tokens>& sums) {
  uint32x4_t within = vdupq_n_u32(~0U);  // false for NaN
  for_each_sum<tokens>(
      [&](int t, int q) { within = vandq_u32(within, vcaleq_f32(sums.at[t][q], vdupq_n_f32(fixed_limit))); });
  return vminvq_u32(within) != 0;
}

template <int tokens>
inline void store(const FloatSums<tokens>& sums, float* out) {
  for_each_sum<tokens>([&](int t, int q) { vst1q_f32(out + t * group_rows + q * quarter_rows, sums.at[t][q]); });
}

template <int tokens>
inline void load(FloatSums<tokens>& sums, const float* from) {
  for_each_sum<tokens>([&](int t, int q) { sums.at[t][q] = vld1q_f32(from + t * group_rows + q * quarter_rows); });
}

inline void add_rounded(float64x2_t units, std::int64_t* fixed) {
  vst1q_s64(fixed, vaddq_s64(vld1q_s64(fixed), vcvtnq_s64_f64(units)));
}

/// Puts a leaf's sums where the tile wants them. In units of 2^-32 they are exact in float, and are rounded in double.
template <int tokens>
inline void finish_leaf(FloatSums<tokens>& sums, const TileOutput& to) {
  if (to.fixed == nullptr) return store(sums, to.sums);
  if (!in_range(sums)) [[unlikely]] {
    store(sums, to.sums);
    drop_overflow(to.sums, tokens, tokens, to.overflow);
    load(sums, to.sums);
  }
  for_each_sum<tokens>([&](int t, int q) {
    const float32x4_t units = vmulq_n_f32(sums.at[t][q], static_cast<float>(1ULL << fixed_fraction_bits));
    std::int64_t* const out = to.fixed + t * group_rows + q * quarter_rows;
    add_rounded(vcvt_f64_f32(vget_low_f32(units)), out);
    add_rounded(vcvt_high_f64_f32(units), out + 2);
  });
}
