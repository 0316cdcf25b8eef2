#include "kernels/cpu/avx512_kernels.hpp"

namespace troupe::kernels::avx512 {

const bool non_temporal_stays = (__builtin_cpu_init(), __builtin_cpu_is("amd"));

constexpr std::string_view table_name = "avx512";
#include "kernels/fill_table.inl"

}  // namespace troupe::kernels::avx512
