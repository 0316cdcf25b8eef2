#include "kernels/reference/kernels.hpp"

namespace troupe::kernels::reference {
namespace {

bool runs_here() { return true; }

constexpr std::string_view table_name = "reference";

}  // namespace

#include "kernels/fill_table.inl"

}  // namespace troupe::kernels::reference
