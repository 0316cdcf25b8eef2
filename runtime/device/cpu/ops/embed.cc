#include "runtime/device/cpu/ops.hpp"

namespace troupe::cpu {

void run(const ops::Embed& op, OpContext& c) {
  const LoadedWeight& table = c.weight(op.table);
  const std::size_t bytes = kernels::row_bytes(table.rows_format, table.columns);
  const auto [first, last] = c.share(c.rows);
  for (std::size_t row = first; row < last; ++row) {
    float* y = c.f32(op.y, row);
    const auto token = static_cast<std::size_t>(c.step().tokens[c.base + row]);
    kernels::info(table.rows_format).dequantize(table.rows + token * bytes, table.columns, y);
    if (op.factor == 1.0F) continue;
    for (std::uint32_t i = 0; i < table.columns; ++i) y[i] *= op.factor;
  }
}

}  // namespace troupe::cpu
