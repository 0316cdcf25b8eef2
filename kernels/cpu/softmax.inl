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

/// cap * tanh(x / cap): as tanh_f32, both of whose ways are taken, and the other's result made zero.
inline F32x16 softcapped(F32x16 x, F32x16 cap) {
  namespace t = tanh_constants;
  const F32x16 one = broadcast(1.0F), two = broadcast(2.0F), near = broadcast(t::near), zero = broadcast(0.0F);
  const F32x16 u = x / cap, magnitude = larger(zero - u, u);
  const F32x16 far = one - two / (exp(two * u) + one);
  const F32x16 small = smaller(near, larger(zero - near, u)), z = small * small;
  F32x16 p = fma(broadcast(t::c11), z, broadcast(t::c9));
  p = fma(p, z, broadcast(t::c7));
  p = fma(p, z, broadcast(t::c5));
  p = fma(p, z, broadcast(t::c3));
  const F32x16 close = fma(small * z, p, small);
  return cap * (zero_below(far, magnitude, near) + (close - zero_below(close, magnitude, near)));
}

constexpr float minus_infinity = -__builtin_inff();

/// What exponentials are taken relative to: the maximum, and 0 where everything is masked.
inline float origin_of(float m) { return m == minus_infinity ? 0.0F : m; }
