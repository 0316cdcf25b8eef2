#include "kernels/cpu/avx2_blocks.hpp"

namespace troupe::kernels::avx2 {

template TileKernel block_kernel<whole_bytes>(Format, std::size_t, std::size_t);

}  // namespace troupe::kernels::avx2
