// Included in each instruction set's namespace: sums of one of the `parts` of a block of activations.

/// Minus the sum of its whole numbers.
template <int parts, int part>
[[gnu::always_inline]] inline std::int32_t neg_sum(const Q8Block& in) {
  if constexpr (parts == 1) return in.neg_sum;
  return part == 0 ? in.neg_first_sum : in.neg_sum - in.neg_first_sum;
}

template <int parts, int part>
[[gnu::always_inline]] inline float scaled_sum(const Q8Block& in) {
  if constexpr (parts == 1) return in.scaled_sum;
  return in.scale * static_cast<float>(-neg_sum<parts, part>(in));
}
