#include "kernels/cpu/neon_tile.hpp"

namespace troupe::kernels::neon {
namespace {

inline float32x4_t load_bf16(const std::byte* at) {
  return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(reinterpret_cast<const std::uint16_t*>(at)), 16));
}

template <Format format>
inline float32x4_t load_column(const std::byte* column, int q) {
  if constexpr (format == Format::f16) return load_f16(column + q * 8);
  if constexpr (format == Format::bf16) return load_bf16(column + q * 8);
  return vld1q_f32(reinterpret_cast<const float*>(column) + q * quarter_rows);
}

template <Format format, int tokens>
struct Kernel {
  static constexpr std::size_t column_bytes = float_column_bytes(format);

  static void run(const cpu::FloatTile& tile) {
    FloatSums<tokens> sums{};
    if (!tile.begins) load(sums, tile.to.sums);
    const std::byte* column = tile.weights;
    for (std::size_t c = 0; c < tile.columns; ++c, column += column_bytes) {
      float32x4_t weight[quarters];
#pragma GCC unroll 4
      for (int q = 0; q < quarters; ++q) weight[q] = load_column<format>(column, q);
      for_each_sum<tokens>([&](int t, int q) {
        sums.at[t][q] = vfmaq_n_f32(sums.at[t][q], weight[q], tile.in[t * tile.in_stride + c]);
      });
    }
    if (!tile.ends) return store(sums, tile.to.sums);
    finish_leaf(sums, tile.to);
  }
};

}  // namespace

#include "kernels/cpu/float_kernels.inl"

}  // namespace troupe::kernels::neon
