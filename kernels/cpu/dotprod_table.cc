#include <asm/hwcap.h>
#include <sys/auxv.h>

#include "kernels/cpu/neon_kernels.hpp"

/// What is not here is that of NEON.
namespace troupe::kernels::dotprod {

using namespace neon;

decltype(neon::matmul) matmul, matmul_partial, matmul_leaves;

namespace {

bool runs_here() { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }

constexpr std::string_view table_name = "dotprod";

}  // namespace

#include "kernels/fill_table.inl"

}  // namespace troupe::kernels::dotprod
