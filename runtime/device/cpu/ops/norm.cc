#include <cmath>
#include <optional>

#include "kernels/math.hpp"
#include "runtime/device/cpu/ops.hpp"

namespace troupe::cpu {
namespace {

/// As the leaves of products are rounded.
std::optional<std::int64_t> fixed_leaf(float leaf) {
  if (!(std::fabs(leaf) <= kernels::fixed_limit)) return std::nullopt;
  return std::llrint(static_cast<double>(leaf) * 0x1p32);
}

}  // namespace

void run(const ops::RmsNorm& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    c.kernels().rms_norm(c.f32(op.x, row), c.weight(op.scale).vector, op.epsilon, c.columns(op.x), c.f32(op.y, row));
  }
}

void run(const ops::HeadNorm& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows * op.heads);
  for (std::size_t i = first; i < last; ++i) {
    const std::size_t row = i / op.heads, at = i % op.heads * op.head_dim;
    c.kernels().rms_norm(c.f32(op.x, row) + at, c.weight(op.scale).vector, op.epsilon, op.head_dim,
                         c.f32(op.y, row) + at);
  }
}

void run(const ops::LayerNorm& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    c.kernels().layer_norm(c.f32(op.x, row), c.weight(op.scale).vector, op.epsilon, c.columns(op.x), c.f32(op.y, row));
  }
}

void run(const ops::HeadLayerNorm& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows * op.heads);
  for (std::size_t i = first; i < last; ++i) {
    const std::size_t row = i / op.heads, at = i % op.heads * op.head_dim;
    c.kernels().layer_norm(c.f32(op.x, row) + at, c.weight(op.scale).vector + at, op.epsilon, op.head_dim,
                           c.f32(op.y, row) + at);
  }
}

void run(const ops::MeanSquare& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    std::int64_t mean = 0;
    for (std::uint32_t head = op.first; head < op.first + op.heads; ++head) {
      const float sum = c.kernels().sum_of_squares(c.f32(op.x, row) + head * op.head_dim, op.head_dim);
      const auto leaf = fixed_leaf(sum / static_cast<float>(op.columns));
      if (!leaf) c.flag(row, sum_overflow);
      mean += leaf.value_or(0);
    }
    *c.fixed(op.mean, row) = mean;
  }
}

void run(const ops::NormByMean& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    float mean = 0.0F;
    c.kernels().from_fixed(c.fixed(op.mean, row), 1, &mean);
    c.kernels().weigh(c.f32(op.x, row), 1.0F / std::sqrt(mean + op.epsilon), c.weight(op.scale).vector, c.columns(op.x),
                      c.f32(op.y, row));
  }
}

void run(const ops::Bias& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    c.kernels().add(c.weight(op.bias).vector, c.columns(op.x), c.f32(op.x, row));
  }
}

void run(const ops::Scale& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) c.kernels().scale(op.factor, c.columns(op.x), c.f32(op.x, row));
}

void run(const ops::SigmoidScale& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    const float factor = 1.0F / (1.0F + kernels::exp_f32(-*c.f32(op.score, row)));
    c.kernels().scale(factor, c.columns(op.x), c.f32(op.x, row));
  }
}

void run(const ops::Softcap& op, OpContext& c) {
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) c.kernels().softcap(op.cap, c.columns(op.x), c.f32(op.x, row));
}

void run(const ops::Quantize& op, OpContext& c) {
  const std::size_t blocks = c.columns(op.x) / kernels::block_columns;
  const auto [first, last] = c.share(c.rows * blocks);
  for (std::size_t i = first; i < last; ++i) {
    const std::size_t row = i / blocks, block = i % blocks;
    c.kernels().quantize(c.f32(op.x, row) + block * kernels::block_columns, kernels::block_columns,
                         c.q8(op.y, row) + block);
  }
}

void run(const ops::NormQuantize& op, OpContext& c) {
  const std::uint32_t columns = c.columns(op.x);
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    c.kernels().rms_norm(c.f32(op.x, row), c.weight(op.scale).vector, op.epsilon, columns, c.scratch());
    c.kernels().quantize(c.scratch(), columns, c.q8(op.y, row));
  }
}

}  // namespace troupe::cpu
