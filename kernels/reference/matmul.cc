#include <atomic>
#include <cmath>

#include "kernels/packed_chunk.hpp"
#include "kernels/reference/kernels.hpp"

namespace troupe::kernels::reference {
namespace {

constexpr std::size_t half_block = block_columns / 2;

std::int32_t integer_sum(const std::int32_t* weights, const std::int8_t* q, std::size_t columns) {
  std::int32_t sum = 0;
  for (std::size_t c = 0; c < columns; ++c) sum += weights[c] * q[c];
  return sum;
}

float add_product(float acc, std::int32_t sum, float weight_scale, float in_scale) {
  return std::fma(static_cast<float>(sum), weight_scale * in_scale, acc);
}

float add_quantised_block(float acc, const PackedMatrix& weights, const PackedBlock& block, const Q8Block& in) {
  if (weights.packing == Packing::q6_k) {
    for (std::size_t half = 0; half < 2; ++half) {
      const std::int32_t sum = integer_sum(block.q + half * half_block, in.q + half * half_block, half_block);
      acc = add_product(acc, sum, block.scale[half], in.scale);
    }
    return acc;
  }
  acc = add_product(acc, integer_sum(block.q, in.q, block_columns), block.scale[0], in.scale);
  return has_minimum(weights.packing) ? std::fma(block.min, in.scaled_sum, acc) : acc;
}

float add_float_block(float acc, const float* weights, const Q8Block& in) {
  for (std::size_t c = 0; c < block_columns; ++c)
    acc = std::fma(weights[c], in.scale * static_cast<float>(in.q[c]), acc);
  return acc;
}

float leaf_sum(const PackedMatrix& weights, std::size_t row, std::size_t leaf, const Q8Block* in) {
  const bool floats = weights.packing == Packing::f16 || weights.packing == Packing::f32;
  float acc = 0.0F;
  for (std::size_t b = 0; b < weights.leaf_columns / block_columns; ++b) {
    if (floats) {
      float values[block_columns];
      read_packed_floats(weights, row, leaf, b, values);
      acc = add_float_block(acc, values, in[b]);
    } else {
      acc = add_quantised_block(acc, weights, read_packed_block(weights, row, leaf, b), in[b]);
    }
  }
  return acc;
}

std::int64_t fixed_sum(const MatmulArgs& args, std::size_t row, std::size_t token) {
  const PackedMatrix& weights = *args.weights;
  const Q8Block* in = args.in + token * args.in_stride;
  std::int64_t sum = 0;
  for (std::size_t leaf = 0; leaf < weights.leaves; ++leaf, in += weights.leaf_columns / block_columns) {
    const float value = leaf_sum(weights, row, leaf, in);
    if (std::fabs(value) <= fixed_limit) {
      sum += std::llrint(std::ldexp(static_cast<double>(value), fixed_fraction_bits));
    } else {  // NaN as well
      std::atomic_ref(args.overflow[token]).store(1, std::memory_order_relaxed);
    }
  }
  return sum;
}

/// out[token][row] = value(row, token) for the rows of the groups.
template <class Out, class Value>
void for_each_output(const MatmulArgs& args, std::size_t first_group, std::size_t last_group, Value value) {
  const std::size_t end = last_group * group_rows < args.weights->rows ? last_group * group_rows : args.weights->rows;
  for (std::size_t token = 0; token < args.tokens; ++token) {
    Out* out = static_cast<Out*>(args.out) + token * args.out_stride;
    for (std::size_t row = first_group * group_rows; row < end; ++row) out[row] = value(row, token);
  }
}

}  // namespace

void matmul(const MatmulArgs& args, std::size_t first_group, std::size_t last_group) {
  for_each_output<float>(args, first_group, last_group, [&](std::size_t row, std::size_t token) {
    return leaf_sum(*args.weights, row, 0, args.in + token * args.in_stride);
  });
}

void matmul_partial(const MatmulArgs& args, std::size_t first_group, std::size_t last_group) {
  for_each_output<std::int64_t>(args, first_group, last_group,
                                [&](std::size_t row, std::size_t token) { return fixed_sum(args, row, token); });
}

void matmul_leaves(const MatmulArgs& args, std::size_t first_group, std::size_t last_group) {
  for_each_output<float>(args, first_group, last_group, [&](std::size_t row, std::size_t token) {
    float value;
    const std::int64_t sum = fixed_sum(args, row, token);
    from_fixed(&sum, 1, &value);
    return value;
  });
}

}  // namespace troupe::kernels::reference
