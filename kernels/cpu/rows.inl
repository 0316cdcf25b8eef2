// The row-local kernels of kernels/table.hpp over F32x16. Included inside an instruction set's namespace; the bits are
// those of kernels/reference/rows.cc and softmax.cc.

namespace {

/// out = f(a, b).
template <class Function>
void map(const float* a, const float* b, std::size_t n, float* out, Function f) {
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) store(out + i, f(load(a + i), load(b + i)));
  if (i < n) store_first(out + i, f(load_first(a + i, n - i), load_first(b + i, n - i)), n - i);
}

void quantize_block(const float* x, Q8Block& block) {
  const F32x16 low = load(x), high = load(x + 16);
  const std::uint32_t bits = largest_magnitude(low, high);
  const float amax = __builtin_bit_cast(float, bits);
  block = {};
  if (amax < smallest_quantized) return;
  constexpr std::uint32_t infinity_bits = 0x7F800000;
  if (bits >= infinity_bits) {
    block.scale = block.scaled_sum = __builtin_nanf("");
    return;
  }
  const F32x16 inverse = broadcast(127.0F / amax);
  const ByteSums sums = store_int8(block.q, low * inverse, high * inverse);
  block.scale = amax / 127.0F;
  block.scaled_sum = block.scale * static_cast<float>(sums.all);
  block.neg_sum = -sums.all;
  block.neg_first_sum = -sums.first;
}

/// Rotates pairs that lie side by side.
void rope_adjacent(float* x, std::size_t dims, const float* cosines, const float* sines) {
  std::size_t d = 0;
  for (; d + 16 <= dims; d += 16) {
    const F32x16 pairs = load(x + d);
    const F32x16 c = load_pairs(cosines + d / 2), s = load_pairs(sines + d / 2);
    store(x + d, subtract_add(pairs * c, swap_pairs(pairs) * s));
  }
  for (; d < dims; d += 2) {
    const float a = x[d], b = x[d + 1], c = cosines[d / 2], s = sines[d / 2];
    x[d] = a * c - b * s;
    x[d + 1] = b * c + a * s;
  }
}

/// Rotates pairs that lie half of what is rotated apart.
void rope_halves(float* x, std::size_t dims, const float* cosines, const float* sines) {
  const std::size_t half = dims / 2;
  for (std::size_t d = 0; d < half; d += 16) {
    const std::size_t n = half - d;
    const F32x16 a = load_first(x + d, n), b = load_first(x + half + d, n);
    const F32x16 c = load_first(cosines + d, n), s = load_first(sines + d, n);
    store_first(x + d, a * c - b * s, n);
    store_first(x + half + d, b * c + a * s, n);
  }
}

/// NaN aside. With four chains, as a maximum has no order.
float largest_of(const float* x, std::size_t n) {
  const F32x16 nothing = broadcast(minus_infinity);
  F32x16 m[4] = {nothing, nothing, nothing, nothing};
  std::size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    for (std::size_t j = 0; j < 4; ++j) m[j] = larger(load(x + i + 16 * j), m[j]);
  }
  for (; i < n; i += 16) {
    m[0] = larger(keep_range(load_first(x + i, n - i), 0, n - i < 16 ? static_cast<int>(n - i) : 16), m[0]);
  }
  return largest_lane(larger(larger(m[0], m[1]), larger(m[2], m[3])));
}

struct Softmax {
  float m, l;
};

Softmax segment_softmax(const float* x, std::size_t n) {
  const float m = largest_of(x, n);
  const F32x16 origin = broadcast(origin_of(m));
  F32x16 sum = broadcast(0.0F);
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) sum = sum + exp(load(x + i) - origin);
  if (i < n) sum = sum + exp(keep_range(load_first(x + i, n - i) - origin, 0, static_cast<int>(n - i)));
  return {m, sum_lanes(sum)};
}

Softmax merge(Softmax earlier, Softmax later) {
  if (later.l == 0.0F) return earlier;
  if (earlier.l == 0.0F) return later;
  const float m = earlier.m > later.m ? earlier.m : later.m;
  const float scale_earlier = exp_f32(earlier.m - m), scale_later = exp_f32(later.m - m);
  return {m, __builtin_fmaf(earlier.l, scale_earlier, later.l * scale_later)};
}

/// The tree over `segments` segments (a power of two), cut off at n elements.
Softmax segment_tree(const float* x, std::size_t n, std::size_t segments) {
  if (segments == 1) return segment_softmax(x, n);
  const std::size_t half = segments / 2 * softmax_segment;
  if (n <= half) return segment_tree(x, n, segments / 2);
  return merge(segment_tree(x, half, segments / 2), segment_tree(x + half, n - half, segments / 2));
}

}  // namespace

float sum_of_squares(const float* x, std::size_t n) {
  F32x16 sum = broadcast(0.0F);
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) sum = fma(load(x + i), load(x + i), sum);
  const F32x16 rest = load_first(x + i, n - i);
  return sum_lanes(fma(rest, rest, sum));
}

void weigh(const float* x, float factor, const float* weight, std::size_t n, float* out) {
  const F32x16 r = broadcast(factor);
  map(x, weight, n, out, [r](F32x16 a, F32x16 w) { return (a * r) * w; });
}

void rms_norm(const float* x, const float* weight, float eps, std::size_t n, float* out) {
  const float mean = sum_of_squares(x, n) / static_cast<float>(n);
  if (!__builtin_isfinite(mean)) {
    const F32x16 nan = broadcast(__builtin_nanf(""));
    return map(x, weight, n, out, [nan](F32x16, F32x16) { return nan; });
  }
  weigh(x, 1.0F / __builtin_sqrtf(mean + eps), weight, n, out);
}

void layer_norm(const float* x, const float* weight, float eps, std::size_t n, float* out) {
  F32x16 sum = broadcast(0.0F);
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) sum = sum + load(x + i);
  const F32x16 mean = broadcast(sum_lanes(sum + load_first(x + i, n - i)) / static_cast<float>(n));
  map(x, x, n, out, [mean](F32x16 a, F32x16) { return a - mean; });
  rms_norm(out, weight, eps, n, out);
}

void quantize(const float* x, std::size_t n, Q8Block* out) {
  for (std::size_t b = 0; b < n / block_columns; ++b) quantize_block(x + b * block_columns, out[b]);
}

void from_fixed(const std::int64_t* fixed, std::size_t n, float* out) {
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) store(out + i, load_int64(fixed + i) * broadcast(0x1p-32F));
  for (; i < n; ++i) out[i] = static_cast<float>(fixed[i]) * 0x1p-32F;
}

void add(const float* y, std::size_t n, float* x) {
  map(x, y, n, x, [](F32x16 a, F32x16 b) { return a + b; });
}

void scale(float factor, std::size_t n, float* x) {
  const F32x16 by = broadcast(factor);
  map(x, x, n, x, [by](F32x16 a, F32x16) { return a * by; });
}

void softcap(float cap, std::size_t n, float* x) {
  const F32x16 most = broadcast(cap);
  map(x, x, n, x, [most](F32x16 a, F32x16) { return softcapped(a, most); });
}

void gelu(const float* x, std::size_t n, float* out) {
  const F32x16 one = broadcast(1.0F), cubic = broadcast(gelu_cubic), factor = broadcast(gelu_factor);
  map(x, x, n, out, [=](F32x16 a, F32x16) { return a / (one + exp(fma(a * a * a, cubic, a) * factor)); });
}

void silu_mul(const float* gate, const float* up, std::size_t n, float* out) {
  const F32x16 zero = broadcast(0.0F), one = broadcast(1.0F);
  map(gate, up, n, out, [=](F32x16 x, F32x16 y) { return x / (one + exp(zero - x)) * y; });
}

void gelu_mul(const float* gate, const float* up, std::size_t n, float* out) {
  const F32x16 one = broadcast(1.0F), cubic = broadcast(gelu_cubic), factor = broadcast(gelu_factor);
  map(gate, up, n, out, [=](F32x16 x, F32x16 y) {
    const F32x16 inner = fma(x * x * x, cubic, x);
    return x / (one + exp(inner * factor)) * y;
  });
}

void rope(float* x, std::size_t heads, std::size_t head_dim, std::size_t dims, const float* cos_sin, RopeStyle style) {
  const auto rotate = style == RopeStyle::adjacent ? rope_adjacent : rope_halves;
  for (std::size_t h = 0; h < heads; ++h) rotate(x + h * head_dim, dims, cos_sin, cos_sin + dims / 2);
}

void kv_append(const float* k, const float* v, std::size_t head_dim, std::size_t place, std::byte* kv_head) {
  auto* keys = reinterpret_cast<std::uint16_t*>(kv_head);
  auto* values = reinterpret_cast<std::uint16_t*>(kv_head + kv_value_offset(head_dim)) + place * head_dim;
  for (std::size_t d = 0; d < head_dim; d += 16) {
    std::uint16_t halves[16];
    store_f16(halves, load(k + d));
    for (std::size_t i = 0; i < 16; ++i) keys[(d + i) * kv_block + place] = halves[i];
    store_f16(values + d, load(v + d));
  }
}

std::size_t argmax(const float* x, std::size_t n) {
  const F32x16 largest = broadcast(largest_of(x, n));
  for (std::size_t i = 0; i < n; i += 16) {
    const unsigned lanes = n - i < 16 ? (1U << (n - i)) - 1 : 0xFFFFU;
    const unsigned equal = equal_lanes(load_first(x + i, n - i), largest) & lanes;
    if (equal != 0) return i + static_cast<unsigned>(__builtin_ctz(equal));
  }
  return 0;
}

float log_sum_exp(const float* x, std::size_t n) {
  std::size_t segments = 1;
  while (segments * softmax_segment < n) segments *= 2;
  const Softmax all = segment_tree(x, n, segments);
  return all.m + static_cast<float>(log_f64(static_cast<double>(all.l)));
}

void exponentials(const float* x, std::size_t n, float* out) {
  map(x, x, n, out, [](F32x16 a, F32x16) { return exp(a); });
}
