#include "kernels/reference/kernels.hpp"

namespace troupe::kernels::reference {

constexpr std::string_view table_name = "reference";
#include "kernels/fill_table.inl"

}  // namespace troupe::kernels::reference
