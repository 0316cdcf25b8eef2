#include "kernels/cpu/avx512_kernels.hpp"

namespace troupe::kernels::avx512 {

const bool non_temporal_stays = (__builtin_cpu_init(), __builtin_cpu_is("amd"));

constinit const KernelTable table{
    .name = "avx512",
    .rms_norm = rms_norm,
    .quantize = quantize,
    .matmul = matmul,
    .matmul_partial = matmul_partial,
    .matmul_leaves = matmul_leaves,
    .from_fixed = from_fixed,
    .add_fixed = add_fixed,
    .add = add,
    .silu_mul = silu_mul,
    .gelu_mul = gelu_mul,
    .rope = rope,
    .kv_append = kv_append,
    .attention = attention,
    .attention_scores = attention_scores,
    .attention_softmax = attention_softmax,
    .attention_values = attention_values,
    .argmax = argmax,
    .log_sum_exp = log_sum_exp,
};

}  // namespace troupe::kernels::avx512
