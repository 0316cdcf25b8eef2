// The kernels of one instruction set, included inside its namespace: see kernels/table.hpp for what each does.

void rms_norm(const float* x, const float* weight, float eps, std::size_t n, float* out);
void quantize(const float* x, std::size_t n, Q8Block* out);

void matmul(const MatmulArgs& args, std::size_t first_group, std::size_t last_group);
void matmul_partial(const MatmulArgs& args, std::size_t first_group, std::size_t last_group);
void matmul_leaves(const MatmulArgs& args, std::size_t first_group, std::size_t last_group);

void from_fixed(const std::int64_t* fixed, std::size_t n, float* out);
void add(const float* y, std::size_t n, float* x);
void silu_mul(const float* gate, const float* up, std::size_t n, float* out);
void gelu_mul(const float* gate, const float* up, std::size_t n, float* out);
void rope(float* x, std::size_t heads, std::size_t head_dim, const float* cos_sin, RopeStyle style);

void kv_append(const float* k, const float* v, std::size_t head_dim, std::size_t place, std::byte* kv_head);
void attention(const AttentionArgs& args, std::size_t first_item, std::size_t last_item);
void attention_scores(const AttentionArgs& args, std::size_t token, float* scores, std::size_t score_stride);
void attention_softmax(const AttentionArgs& args, std::size_t token, float* scores, std::size_t score_stride,
                       float* maxima, float* sums, std::size_t stat_stride);
void attention_values(const AttentionArgs& args, std::size_t token, const float* scores, std::size_t score_stride,
                      const float* maxima, const float* sums, std::size_t stat_stride);

std::size_t argmax(const float* x, std::size_t n);
float log_sum_exp(const float* x, std::size_t n);

/// These functions, by the table's names.
extern const KernelTable table;
