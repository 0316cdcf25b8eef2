#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "kernels/math.hpp"
#include "kernels/math_constants.hpp"
#include "kernels/reference/kernels.hpp"
#include "kernels/reference/softmax.hpp"

namespace troupe::kernels::reference {
namespace {

// Nearest even, for |x| below 2^22.
float nearest_integer(float x) {
  constexpr float magic = 12582912.0F;  // 1.5 * 2^23
  return (x + magic) - magic;
}

// As an integer, because integers order infinity and NaN as well.
std::uint32_t largest_magnitude(const float* x, std::size_t n) {
  std::uint32_t largest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(x[i]) & 0x7FFFFFFFU;
    if (bits > largest) largest = bits;
  }
  return largest;
}

Q8Block quantize_block(const float* x) {
  const float amax = std::bit_cast<float>(largest_magnitude(x, block_columns));
  Q8Block block{};
  if (amax < smallest_quantized) return block;
  if (!(amax <= std::numeric_limits<float>::max())) {
    block.scale = block.scaled_sum = std::numeric_limits<float>::quiet_NaN();
    return block;
  }
  const float inverse = 127.0F / amax;
  std::int32_t sum = 0, first_sum = 0;
  for (std::size_t i = 0; i < block_columns; ++i) {
    block.q[i] = static_cast<std::int8_t>(nearest_integer(x[i] * inverse));
    sum += block.q[i];
    if (i < block_columns / 2) first_sum += block.q[i];
  }
  block.scale = amax / 127.0F;
  block.scaled_sum = block.scale * static_cast<float>(sum);
  block.neg_sum = -sum;
  block.neg_first_sum = -first_sum;
  return block;
}

}  // namespace

float sum_of_squares(const float* x, std::size_t n) {
  float lanes[lane_count] = {};
  for (std::size_t i = 0; i < n; ++i) lanes[i % lane_count] = std::fma(x[i], x[i], lanes[i % lane_count]);
  return sum_lanes(lanes);
}

void weigh(const float* x, float factor, const float* weight, std::size_t n, float* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = (x[i] * factor) * weight[i];
}

void rms_norm(const float* x, const float* weight, float eps, std::size_t n, float* out) {
  const float mean = sum_of_squares(x, n) / static_cast<float>(n);
  if (!std::isfinite(mean)) return void(std::fill_n(out, n, std::numeric_limits<float>::quiet_NaN()));
  weigh(x, 1.0F / std::sqrt(mean + eps), weight, n, out);
}

void layer_norm(const float* x, const float* weight, float eps, std::size_t n, float* out) {
  float lanes[lane_count] = {};
  for (std::size_t i = 0; i < n; ++i) lanes[i % lane_count] += x[i];
  const float mean = sum_lanes(lanes) / static_cast<float>(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = x[i] - mean;
  rms_norm(out, weight, eps, n, out);
}

void quantize(const float* x, std::size_t n, Q8Block* out) {
  for (std::size_t b = 0; b < n / block_columns; ++b) out[b] = quantize_block(x + b * block_columns);
}

void from_fixed(const std::int64_t* fixed, std::size_t n, float* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<float>(fixed[i]) * 0x1p-32F;
}

void add(const float* y, std::size_t n, float* x) {
  for (std::size_t i = 0; i < n; ++i) x[i] += y[i];
}

void scale(float factor, std::size_t n, float* x) {
  for (std::size_t i = 0; i < n; ++i) x[i] *= factor;
}

void softcap(float cap, std::size_t n, float* x) {
  for (std::size_t i = 0; i < n; ++i) x[i] = cap * tanh_f32(x[i] / cap);
}

void gelu(const float* x, std::size_t n, float* out) {
  for (std::size_t i = 0; i < n; ++i) {
    const float inner = std::fma(x[i] * x[i] * x[i], gelu_cubic, x[i]);
    out[i] = x[i] / (1.0F + exp_f32(inner * gelu_factor));
  }
}

void silu_mul(const float* gate, const float* up, std::size_t n, float* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = gate[i] / (1.0F + exp_f32(-gate[i])) * up[i];
}

void gelu_mul(const float* gate, const float* up, std::size_t n, float* out) {
  for (std::size_t i = 0; i < n; ++i) {
    const float x = gate[i];
    const float inner = std::fma(x * x * x, gelu_cubic, x);
    out[i] = x / (1.0F + exp_f32(inner * gelu_factor)) * up[i];
  }
}

void rope(float* x, std::size_t heads, std::size_t head_dim, std::size_t dims, const float* cos_sin, RopeStyle style) {
  const std::size_t half = dims / 2;
  const bool adjacent = style == RopeStyle::adjacent;
  for (std::size_t h = 0; h < heads; ++h, x += head_dim) {
    for (std::size_t i = 0; i < half; ++i) {
      float& first = x[adjacent ? 2 * i : i];
      float& second = x[adjacent ? 2 * i + 1 : i + half];
      const float a = first, b = second, c = cos_sin[i], s = cos_sin[half + i];
      first = a * c - b * s;
      second = b * c + a * s;
    }
  }
}

void kv_append(const float* k, const float* v, std::size_t head_dim, std::size_t place, std::byte* kv_head) {
  auto* keys = reinterpret_cast<std::uint16_t*>(kv_head);
  auto* values = reinterpret_cast<std::uint16_t*>(kv_head + kv_value_offset(head_dim));
  for (std::size_t d = 0; d < head_dim; ++d) {
    keys[d * kv_block + place] = f32_to_f16(k[d]);
    values[place * head_dim + d] = f32_to_f16(v[d]);
  }
}

std::size_t argmax(const float* x, std::size_t n) {
  float largest = -std::numeric_limits<float>::infinity();
  std::size_t index = n;
  for (std::size_t i = 0; i < n; ++i) {
    if (x[i] > largest || (x[i] == largest && index == n)) {
      largest = x[i];
      index = i;
    }
  }
  return index == n ? 0 : index;  // all NaN
}

void exponentials(const float* x, std::size_t n, float* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = exp_f32(x[i]);
}

}  // namespace troupe::kernels::reference
