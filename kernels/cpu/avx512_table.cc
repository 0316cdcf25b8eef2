#include "kernels/cpu/avx2_kernels.hpp"
#include "kernels/cpu/avx512_kernels.hpp"

namespace troupe::kernels::avx512 {
namespace {

bool runs_here() {
  return avx2::table.runs_here() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}

constexpr std::string_view table_name = "avx512";

}  // namespace

const bool non_temporal_stays = (__builtin_cpu_init(), __builtin_cpu_is("amd"));

#include "kernels/fill_table.inl"

}  // namespace troupe::kernels::avx512
