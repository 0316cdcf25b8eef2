#pragma once

#include "kernels/table.hpp"

/// The kernels for processors with AVX-512 F, BW, DQ, VL and VNNI (see kernels/table.hpp).
namespace troupe::kernels::avx512 {

#include "kernels/prototypes.inl"

/// Whether a line that was fetched with the non-temporal hint is still there 8 KB later. So it is on AMD's processors;
/// Intel's then read it twice: measured, 7 GB/s instead of 30.
extern const bool non_temporal_stays;

}  // namespace troupe::kernels::avx512
