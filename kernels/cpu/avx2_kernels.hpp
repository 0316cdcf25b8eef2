#pragma once

#include "kernels/table.hpp"

/// The kernels for processors with AVX2, FMA and F16C (see kernels/table.hpp).
namespace troupe::kernels::avx2 {

#include "kernels/prototypes.inl"

}  // namespace troupe::kernels::avx2
