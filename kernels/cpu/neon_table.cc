#include "kernels/cpu/neon_kernels.hpp"

namespace troupe::kernels::neon {
namespace {

bool runs_here() { return true; }  // ARMv8-A has it

constexpr std::string_view table_name = "neon";

}  // namespace

#include "kernels/fill_table.inl"

}  // namespace troupe::kernels::neon
