// The parts of softmax that rows.inl and attention.inl share. Included inside an instruction set's namespace, after its
// vec_*.hpp; see kernels/reference/softmax.hpp for what they compute.

inline F32x16 exp(F32x16 x) {
  namespace e = exp_constants;
  const F32x16 clamped = smaller(broadcast(e::largest), x);
  const F32x16 shifted = fma(clamped, broadcast(e::log2_e), broadcast(e::round_magic));
  const F32x16 n = shifted - broadcast(e::round_magic);
  const F32x16 r = fma(n, broadcast(-e::ln2_low), fma(n, broadcast(-e::ln2_high), clamped));
  F32x16 p = fma(broadcast(e::c6), r, broadcast(e::c5));
  p = fma(p, r, broadcast(e::c4));
  p = fma(p, r, broadcast(e::c3));
  p = fma(p, r, broadcast(e::c2));
  p = fma(p, r, broadcast(1.0F));
  p = fma(p, r, broadcast(1.0F));
  return zero_below(p * power_of_two(shifted), x, broadcast(e::smallest));
}

constexpr float minus_infinity = -__builtin_inff();

/// What exponentials are taken relative to: the maximum, and 0 where everything is masked.
inline float origin_of(float m) { return m == minus_infinity ? 0.0F : m; }
