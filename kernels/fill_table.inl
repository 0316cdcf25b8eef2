// The table of one instruction set, included inside its namespace, which says its `table_name`.

constinit const KernelTable table{
    .name = table_name,
    .rms_norm = rms_norm,
    .quantize = quantize,
    .matmul = matmul,
    .matmul_partial = matmul_partial,
    .matmul_leaves = matmul_leaves,
    .from_fixed = from_fixed,
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
