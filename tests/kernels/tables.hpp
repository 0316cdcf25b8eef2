#pragma once

#include <span>

#include "kernels/table.hpp"

namespace troupe::kernels::test {

/// What is held to the reference, which is the first: the tables of this processor and, on x86, the one of AVX-512
/// emulated.
[[nodiscard]] std::span<const KernelTable* const> tested_tables();

}  // namespace troupe::kernels::test
