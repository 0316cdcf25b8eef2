#pragma once

#include "kernels/table.hpp"

/// The kernels for every 64-bit ARM processor (see kernels/table.hpp).
namespace troupe::kernels::neon {

#include "kernels/prototypes.inl"

}  // namespace troupe::kernels::neon
