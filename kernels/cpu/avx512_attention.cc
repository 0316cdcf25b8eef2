#include "kernels/cpu/avx512_kernels.hpp"
#include "kernels/cpu/vec_avx512.hpp"
#include "kernels/math_constants.hpp"

namespace troupe::kernels::avx512 {

#include "kernels/cpu/softmax.inl"

#include "kernels/cpu/product.inl"

#include "kernels/cpu/attention.inl"

}  // namespace troupe::kernels::avx512
