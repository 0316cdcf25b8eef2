#include "kernels/cpu/neon_kernels.hpp"
#include "kernels/cpu/vec_neon.hpp"
#include "kernels/math_constants.hpp"

namespace troupe::kernels::neon {

#include "kernels/cpu/softmax.inl"

#include "kernels/cpu/product.inl"

#include "kernels/cpu/attention.inl"

}  // namespace troupe::kernels::neon
