#include "kernels/cpu/avx512_blocks.hpp"

namespace troupe::kernels::avx512 {

template TileKernel block_kernel<nibbles>(Format, std::size_t, std::size_t);

}  // namespace troupe::kernels::avx512
