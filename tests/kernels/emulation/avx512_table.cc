#include "kernels/cpu/avx2_kernels.hpp"
#include "kernels/cpu/avx512_kernels.hpp"

/// The AVX-512 sources, whose namespace CMakeLists.txt renames, compiled for AVX2.
namespace troupe::kernels::avx512 {
namespace {

bool runs_here() { return avx2::table.runs_here(); }

constexpr std::string_view table_name = "avx512, emulated";

}  // namespace

const bool non_temporal_stays = false;

#include "kernels/fill_table.inl"

}  // namespace troupe::kernels::avx512
