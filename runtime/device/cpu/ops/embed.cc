#include "runtime/device/cpu/context.hpp"
#include "runtime/program/ops.hpp"

namespace troupe::ops {
namespace {

void run_embed(const Op& op, OpContext& c) {
  const LoadedWeight& table = c.weight(op.weights[0]);
  const std::size_t bytes = kernels::row_bytes(table.rows_format, table.columns);
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    float* out = c.f32(op.out[0], row);
    const auto token = static_cast<std::size_t>(c.step().tokens[row]);
    kernels::info(table.rows_format).dequantize(table.rows + token * bytes, table.columns, out);
    if (op.number == 1.0F) continue;
    for (std::uint32_t i = 0; i < table.columns; ++i) out[i] *= op.number;
  }
}

}  // namespace

extern const OpKind embed{"embed", run_embed};

}  // namespace troupe::ops
