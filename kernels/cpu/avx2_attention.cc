#include "kernels/cpu/avx2_kernels.hpp"
#include "kernels/cpu/vec_avx2.hpp"
#include "kernels/math_constants.hpp"

namespace troupe::kernels::avx2 {

#include "kernels/cpu/softmax.inl"

#include "kernels/cpu/product.inl"

#include "kernels/cpu/attention.inl"

}  // namespace troupe::kernels::avx2
