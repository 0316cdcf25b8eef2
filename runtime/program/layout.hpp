#pragma once

#include <cstddef>
#include <vector>

#include "runtime/program/program.hpp"

namespace troupe {

/// Bytes of one row of a value.
[[nodiscard]] std::size_t row_bytes(const Value& value);

/// Where each value lies in a shard's arena. Values that are never alive together may share memory.
struct Layout {
  std::vector<std::size_t> offsets;  ///< [values]
  std::size_t bytes = 0;
};

/// `rows`: of a step at most.
[[nodiscard]] Layout lay_out(const Program& program, std::size_t rows);

}  // namespace troupe
