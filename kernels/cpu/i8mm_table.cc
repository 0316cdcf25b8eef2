#include <asm/hwcap.h>
#include <sys/auxv.h>

#include "kernels/cpu/neon_kernels.hpp"

/// What is not here is that of NEON.
namespace troupe::kernels::i8mm {

using namespace neon;

decltype(neon::matmul) matmul, matmul_partial, matmul_leaves;

namespace {

bool runs_here() { return (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0; }

constexpr std::string_view table_name = "i8mm";

}  // namespace

#include "kernels/fill_table.inl"

}  // namespace troupe::kernels::i8mm
