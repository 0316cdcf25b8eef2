#include "kernels/cpu/avx2_kernels.hpp"

namespace troupe::kernels::avx2 {

constexpr std::string_view table_name = "avx2";
#include "kernels/fill_table.inl"

}  // namespace troupe::kernels::avx2
