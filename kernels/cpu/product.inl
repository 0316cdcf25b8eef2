// Products of a few rows with a matrix of the KV cache. Included inside an instruction set's namespace, after its
// vec_*.hpp.

namespace {

/// Rows of a tile of a product.
constexpr std::size_t tile_rows = 6;

struct Range {
  std::size_t begin, end;
};

/// Rows of F16 numbers, converted as they are read.
struct Matrix {
  const std::uint16_t* data;
  std::size_t stride;
  const std::uint16_t* ahead;  ///< of the same shape, needed next
};

inline void prefetch(const std::uint16_t* f16) { __builtin_prefetch(f16); }

/// c[r] = sum over k in order of a[r][k] * b[k], in columns of 16; r from 0 to 5 at most.
struct Product {
  const float* const* a;
  Range k;
  Matrix b;             ///< from row k.begin
  std::size_t vectors;  ///< columns / 16
  float* c;
  std::size_t c_stride;
};

/// Calls f(row, vector) for all of a tile. Unrolled early, or GCC would keep the tile in memory.
template <int rows, int vectors, class Function>
inline void for_each_sum(Function f) {
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 8
    for (int j = 0; j < vectors; ++j) f(r, j);
  }
}

template <int rows, int vectors>
void multiply_tile(const Product& product, std::size_t first_vector) {
  const float* a[rows];
  float* c[rows];
  for (int r = 0; r < rows; ++r) {
    a[r] = product.a[r];
    c[r] = product.c + static_cast<std::size_t>(r) * product.c_stride + 16 * first_vector;
  }
  F32x16 sum[rows][vectors];
  for_each_sum<rows, vectors>([&](int r, int j) { sum[r][j] = broadcast(0.0F); });

  const std::uint16_t* b = product.b.data + 16 * first_vector;
  const std::uint16_t* ahead = product.b.ahead + 16 * first_vector;
  for (std::size_t k = product.k.begin; k < product.k.end; ++k, b += product.b.stride, ahead += product.b.stride) {
    F32x16 weights[vectors];
    for (int j = 0; j < vectors; ++j) weights[j] = load(b + 16 * j);
    for (int j = 0; j < vectors; j += 2) prefetch(ahead + 16 * j);
    for_each_sum<rows, vectors>([&](int r, int j) { sum[r][j] = fma(broadcast(a[r][k]), weights[j], sum[r][j]); });
  }
  for_each_sum<rows, vectors>([&](int r, int j) { store(c[r] + 16 * j, sum[r][j]); });
}

/// The columns from first_vector on, in tiles that become narrower towards the end.
template <int rows, int vectors>
void multiply_columns(const Product& product, std::size_t first_vector) {
  for (; first_vector + vectors <= product.vectors; first_vector += vectors) {
    multiply_tile<rows, vectors>(product, first_vector);
  }
  if constexpr (vectors > 1) multiply_columns<rows, vectors / 2>(product, first_vector);
}

void multiply(const Product& product, std::size_t rows) {
  using Columns = void (*)(const Product&, std::size_t);
  static constexpr Columns by_rows[tile_rows] = {
      multiply_columns<1, tile_vectors(1)>, multiply_columns<2, tile_vectors(2)>, multiply_columns<3, tile_vectors(3)>,
      multiply_columns<4, tile_vectors(4)>, multiply_columns<5, tile_vectors(5)>, multiply_columns<6, tile_vectors(6)>};
  by_rows[rows - 1](product, 0);
}

/// How many of `left` rows make the next tile: the last two of them about equal.
std::size_t next_tile(std::size_t left) {
  if (left <= tile_rows) return left;
  return left < 2 * tile_rows ? (left + 1) / 2 : tile_rows;
}

}  // namespace
