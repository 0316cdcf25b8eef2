#include <atomic>
#include <cmath>

#include "kernels/packed_chunk.hpp"
#include "kernels/reference/kernels.hpp"

namespace troupe::kernels::reference {
namespace {

std::int32_t integer_sum(const std::int32_t* weights, const std::int8_t* q, std::size_t columns) {
  std::int32_t sum = 0;
  for (std::size_t c = 0; c < columns; ++c) sum += weights[c] * q[c];
  return sum;
}

float add_product(float acc, std::int32_t sum, float weight_scale, float in_scale) {
  return std::fma(static_cast<float>(sum), weight_scale * in_scale, acc);
}

/// What a minimum multiplies: the scaled sum of a part's activations.
float scaled_sum(const Q8Block& in, int parts, int part) {
  if (parts == 1) return in.scaled_sum;
  const std::int32_t neg_sum = part == 0 ? in.neg_first_sum : in.neg_sum - in.neg_first_sum;
  return in.scale * static_cast<float>(-neg_sum);
}

float add_quantised_block(float acc, const Packing& packing, const PackedBlock& block, const Q8Block& in) {
  const int parts = parts_of(packing);
  const std::size_t columns = block_columns / static_cast<std::size_t>(parts);
  for (int part = 0; part < parts; ++part) {
    const std::size_t first = static_cast<std::size_t>(part) * columns;
    acc = add_product(acc, integer_sum(block.q + first, in.q + first, columns), block.scale[part], in.scale);
    if (has_minimum(packing)) acc = std::fma(block.min[part], scaled_sum(in, parts, part), acc);
  }
  return acc;
}

float quantised_sum(const PackedMatrix& weights, std::size_t row, std::size_t leaf, const Q8Block* in) {
  const Packing& packing = packing_of(weights.format);
  float acc = 0.0F;
  for (std::size_t b = 0; b < weights.leaf_columns / block_columns; ++b) {
    acc = add_quantised_block(acc, packing, read_packed_block(weights, row, leaf, b), in[b]);
  }
  return acc;
}

float float_sum(const PackedMatrix& weights, std::size_t row, std::size_t leaf, const float* in) {
  float acc = 0.0F;
  for (std::size_t c = 0; c < weights.leaf_columns; ++c) {
    acc = std::fma(read_packed_float(weights, row, leaf * weights.leaf_columns + c), in[c], acc);
  }
  return acc;
}

float leaf_sum(const MatmulArgs& args, std::size_t row, std::size_t leaf, std::size_t token) {
  const PackedMatrix& weights = *args.weights;
  const std::size_t start = token * args.in_stride, column = leaf * weights.leaf_columns;
  if (packing_of(weights.format).planes == floats) {
    return float_sum(weights, row, leaf, static_cast<const float*>(args.in) + start + column);
  }
  return quantised_sum(weights, row, leaf, static_cast<const Q8Block*>(args.in) + start + column / block_columns);
}

std::int64_t fixed_sum(const MatmulArgs& args, std::size_t row, std::size_t token) {
  std::int64_t sum = 0;
  for (std::size_t leaf = 0; leaf < args.weights->leaves; ++leaf) {
    const float value = leaf_sum(args, row, leaf, token);
    if (std::fabs(value) <= fixed_limit) {
      sum += std::llrint(std::ldexp(static_cast<double>(value), fixed_fraction_bits));
    } else {  // NaN as well
      // Relaxed: who reads it has met this thread behind the op. Others of this op store what it stores.
      const std::atomic_ref flag(args.overflow[token]);
      if (flag.load(std::memory_order_relaxed) == 0) flag.store(1, std::memory_order_relaxed);
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
  for_each_output<float>(args, first_group, last_group,
                         [&](std::size_t row, std::size_t token) { return leaf_sum(args, row, 0, token); });
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
