#pragma once

#include "kernels/table.hpp"

/// The plain kernels, which define what every other table must compute, bit for bit (see kernels/table.hpp).
namespace troupe::kernels::reference {

#include "kernels/prototypes.inl"

}  // namespace troupe::kernels::reference
