#include <catch2/catch.hpp>
#include <cfenv>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/floating_point.hpp"
#include "kernels/packing.hpp"
#include "kernels/table.hpp"
#include "tests/kernels/random_tensor.hpp"
#include "tests/kernels/tables.hpp"

namespace troupe::kernels::test {
namespace {

using Matmul = void (*)(const MatmulArgs&, std::size_t, std::size_t);

struct Shape {
  std::uint32_t rows, leaves, leaf_columns;
  std::size_t tokens;
};

/// Weights of one format and shape, cut out of a tensor that is larger on every side.
struct Weights {
  Weights(Random& random, Format format, const Shape& shape, Scales scales)
      : columns(((1 + shape.leaves) * shape.leaf_columns + 255) / 256 * 256),
        tensor(random_tensor(random, format, shape.rows + 1, columns, scales)),
        source{.format = format,
               .tensor = tensor.data(),
               .tensor_columns = columns,
               .first_row = 1,
               .rows = shape.rows,
               .first_column = shape.leaf_columns,
               .leaves = shape.leaves,
               .leaf_columns = shape.leaf_columns},
        packed(source) {}

  std::uint32_t columns;
  std::vector<std::byte> tensor;
  PackSource source;
  Packed packed;
};

void complete(Q8Block& block) {
  block.neg_sum = block.neg_first_sum = 0;
  for (std::size_t i = 0; i < block_columns; ++i) {
    block.neg_sum -= block.q[i];
    if (i < block_columns / 2) block.neg_first_sum -= block.q[i];
  }
  block.scaled_sum = block.scale * static_cast<float>(-block.neg_sum);
}

constexpr float usual_scales[] = {1.0F, 0.01F, 3e-5F};
constexpr float extreme_scales[] = {0.0F, 1e-42F, 1e-30F, 0.1F, 1e20F, 3e38F};

/// What a product reads, from some column on.
struct In {
  const void* data;
  std::size_t stride;
};

/// Random activations, [tokens][stride], of the kind that a format's weights multiply.
class Activations {
 public:
  Activations(Random& random, Format format, std::size_t tokens, std::size_t columns, bool extreme)
      : float_(packing_of(format).planes == floats), stride_(float_ ? columns + guard : columns / block_columns + 1) {
    if (float_) {
      fill_floats(random, tokens, extreme);
    } else {
      fill_blocks(random, tokens, extreme);
    }
  }

  [[nodiscard]] In from(std::size_t column) const {
    if (float_) return {floats_.data() + column, stride_};
    return {blocks_.data() + column / block_columns, stride_};
  }
  [[nodiscard]] double at(std::size_t token, std::size_t column) const {
    if (float_) return floats_[token * stride_ + column];
    const Q8Block& block = blocks_[token * stride_ + column / block_columns];
    return double{block.scale} * block.q[column % block_columns];
  }

 private:
  static constexpr std::size_t guard = 5;

  /// Every third block is full of +-127, where integer sums are the largest.
  void fill_blocks(Random& random, std::size_t tokens, bool extreme) {
    blocks_.resize(tokens * stride_);
    for (Q8Block& block : blocks_) {
      const bool full = random.below(3) == 0;
      const int sign = random.below(2) == 0 ? 1 : -1;
      for (std::int8_t& q : block.q)
        q = static_cast<std::int8_t>(full ? sign * 127 : static_cast<int>(random.below(255)) - 127);
      block.scale = extreme ? extreme_scales[random.below(6)] : usual_scales[random.below(3)];
      complete(block);
    }
  }

  void fill_floats(Random& random, std::size_t tokens, bool extreme) {
    floats_.resize(tokens * stride_);
    for (float& x : floats_)
      x = random.between(-1, 1) * (extreme ? extreme_scales[random.below(6)] : usual_scales[random.below(3)]);
  }

  bool float_;
  std::size_t stride_;
  std::vector<Q8Block> blocks_;
  std::vector<float> floats_;
};

/// The result of one product: outputs, with guards after each row, and overflow flags.
template <class Element>
struct Result {
  std::vector<Element> out;
  std::vector<std::uint8_t> overflow;
  [[nodiscard]] bool same_bits(const Result& other) const {
    return std::memcmp(out.data(), other.out.data(), out.size() * sizeof(Element)) == 0 && overflow == other.overflow;
  }
};

constexpr std::size_t guard = 3;

/// Runs a product over all groups; with `cuts`, in that many random parts, last part first. `flag`: of each token,
/// before.
template <class Element>
Result<Element> run(Matmul matmul, const PackedMatrix& weights, const In& in, std::size_t tokens, Random* cuts,
                    std::uint8_t flag = 0) {
  const std::size_t stride = weights.rows + guard;
  Result<Element> result{std::vector<Element>(tokens * stride, Element{-77}), std::vector<std::uint8_t>(tokens, flag)};
  const MatmulArgs args{.weights = &weights,
                        .in = in.data,
                        .in_stride = in.stride,
                        .tokens = tokens,
                        .out = result.out.data(),
                        .out_stride = stride,
                        .overflow = result.overflow.data()};
  std::size_t last = weights.groups();
  while (cuts != nullptr && last > 0) {
    const std::size_t first = cuts->below(last);
    matmul(args, first, last);
    last = first;
  }
  if (cuts == nullptr) matmul(args, 0, last);
  return result;
}

/// Every table against the reference, for every kind of output.
void check_tables(Format format, const Shape& shape, Scales scales, bool extreme) {
  CAPTURE(info(format).name, shape.rows, shape.leaves, shape.leaf_columns, shape.tokens, extreme);
  Random random(shape.rows * 31 + shape.leaf_columns + static_cast<std::uint32_t>(shape.tokens));
  const Weights weights(random, format, shape, scales);
  const PackedMatrix& matrix = weights.packed.matrix();
  const Activations activations(random, format, shape.tokens, matrix.columns(), extreme);
  const In in = activations.from(0);
  const KernelTable& plain = *tables().front();

  const auto partial = run<std::int64_t>(plain.matmul_partial, matrix, in, shape.tokens, nullptr);
  const auto leaves = run<float>(plain.matmul_leaves, matrix, in, shape.tokens, nullptr);
  for (const KernelTable* table : test::tested_tables()) {
    CAPTURE(table->name);
    REQUIRE(run<std::int64_t>(table->matmul_partial, matrix, in, shape.tokens, &random).same_bits(partial));
    REQUIRE(run<float>(table->matmul_leaves, matrix, in, shape.tokens, &random).same_bits(leaves));
    if (shape.leaves > 1) continue;
    const auto floats = run<float>(plain.matmul, matrix, in, shape.tokens, nullptr);
    REQUIRE(run<float>(table->matmul, matrix, in, shape.tokens, &random).same_bits(floats));
  }
}

/// Both results' flags set where one of them has one, sums added.
Result<std::int64_t> added(const Result<std::int64_t>& a, const Result<std::int64_t>& b, std::size_t rows) {
  Result<std::int64_t> sum = a;
  for (std::size_t i = 0; i < sum.out.size(); ++i) {
    if (i % (rows + guard) < rows) sum.out[i] += b.out[i];
  }
  for (std::size_t t = 0; t < sum.overflow.size(); ++t) sum.overflow[t] |= b.overflow[t];
  return sum;
}

TEST_CASE("every table multiplies as the reference does, bit for bit", "[kernels][matmul]") {
  const Format format = GENERATE(from_range(every_format));
  for (std::size_t tokens = 1; tokens <= 40; tokens += tokens < 13 ? 1 : 9) {
    check_tables(format, {40, 1, 96, tokens}, Scales::below_two, false);
    check_tables(format, {49, 2, 64, tokens}, Scales::below_two, false);
  }
  check_tables(format, {1, 1, 32, 1}, Scales::below_two, false);
  check_tables(format, {15, 9, 64, 3}, Scales::below_two, false);
  check_tables(format, {70, 1, 576, 5}, Scales::below_two, false);
  check_tables(format, {33, 5, 160, 9}, Scales::below_two, false);
  check_tables(format, {17, 1, 640, 6}, Scales::below_two, false);
  check_tables(format, {18, 8, 704, 2}, Scales::below_two, false);
  check_tables(format, {64, 1, 5632, 4}, Scales::below_two, false);
}

TEST_CASE("float weights may have any number of columns", "[kernels][matmul]") {
  const Format format = GENERATE(Format::f32, Format::f16, Format::bf16);
  for (std::size_t tokens = 1; tokens <= 9; ++tokens) {
    check_tables(format, {50, 1, 100, tokens}, Scales::below_two, false);
    check_tables(format, {33, 8, 86, tokens}, Scales::below_two, false);
    check_tables(format, {65, 3, 1, tokens}, Scales::below_two, false);
  }
  check_tables(format, {1, 1, 1, 1}, Scales::below_two, false);
  check_tables(format, {17, 8, 125, 20}, Scales::below_two, false);
  check_tables(format, {70, 2, 2100, 5}, Scales::below_two, false);
  check_tables(format, {70, 1, 1025, 75}, Scales::below_two, false);
}

TEST_CASE("tables agree where numbers are subnormal, huge or not numbers at all", "[kernels][matmul]") {
  const Format format = GENERATE(from_range(every_format));
  const Scales scales = GENERATE(Scales::small, Scales::any);
  for (const std::size_t tokens : {1, 2, 7, 21}) {
    check_tables(format, {35, 3, 96, tokens}, scales, true);
    check_tables(format, {64, 1, 256, tokens}, scales, true);
  }
}

TEST_CASE("the largest integer sums stay exact", "[kernels][matmul]") {
  for (const Format format : every_format) {
    if (packing_of(format).planes == floats) continue;
    for (const int weight_byte : {0x00, 0xFF, 0x80, 0x7F}) {
      std::vector<std::byte> tensor(row_bytes(format, 256) * 16, static_cast<std::byte>(weight_byte));
      for (std::size_t start = 0; start < tensor.size(); start += info(format).block_bytes) {
        for (const std::size_t place : f16_places(format)) {
          tensor[start + place] = std::byte{0};
          tensor[start + place + 1] = std::byte{0x3C};  // 1.0
        }
      }
      const Packed packed({format, tensor.data(), 256, 0, 16, 0, 1, 256});
      for (const int q : {-127, 127}) {
        Q8Block block{};
        block.scale = 1.0F;
        for (std::int8_t& value : block.q) value = static_cast<std::int8_t>(q);
        complete(block);
        const std::vector<Q8Block> blocks(8 * 9, block);
        const In in{blocks.data(), 8};
        const auto expected = run<float>(tables().front()->matmul, packed.matrix(), in, 9, nullptr);
        for (const KernelTable* table : test::tested_tables()) {
          CAPTURE(table->name, info(format).name, weight_byte, q);
          CHECK(run<float>(table->matmul, packed.matrix(), in, 9, nullptr).same_bits(expected));
        }
      }
    }
  }
}

TEST_CASE("partial sums of any split add up to the whole", "[kernels][matmul]") {
  for (const Format format : every_format) {
    CAPTURE(info(format).name);
    const Shape shape{37, 9, 96, 5};
    Random random(7);
    const Weights weights(random, format, shape, Scales::below_two);
    const Activations activations(random, format, shape.tokens, shape.leaves * shape.leaf_columns, false);
    const In in = activations.from(0);
    PackSource left = weights.source;
    left.leaves = 4;
    PackSource right = weights.source;
    right.first_column += left.leaves * left.leaf_columns;
    right.leaves -= left.leaves;
    const Packed left_packed(left), right_packed(right);
    const In right_in = activations.from(left.leaves * left.leaf_columns);

    const KernelTable& table = *tables().back();
    const auto whole = run<std::int64_t>(table.matmul_partial, weights.packed.matrix(), in, shape.tokens, nullptr);
    const auto a = run<std::int64_t>(table.matmul_partial, left_packed.matrix(), in, shape.tokens, nullptr);
    const auto b = run<std::int64_t>(table.matmul_partial, right_packed.matrix(), right_in, shape.tokens, nullptr);
    CHECK(added(a, b, shape.rows).same_bits(whole));

    auto floats = run<float>(table.matmul_leaves, weights.packed.matrix(), in, shape.tokens, nullptr);
    std::vector<float> converted(shape.rows);
    for (std::size_t t = 0; t < shape.tokens; ++t) {
      const std::size_t start = t * (shape.rows + guard);
      table.from_fixed(whole.out.data() + start, shape.rows, converted.data());
      CHECK(std::memcmp(converted.data(), floats.out.data() + start, shape.rows * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("the reference computes the product", "[kernels][matmul]") {
  for (const Format format : every_format) {
    CAPTURE(info(format).name);
    const Shape shape{19, 4, 160, 3};
    Random random(11);
    const Weights weights(random, format, shape, Scales::below_two);
    const PackedMatrix& matrix = weights.packed.matrix();
    const Activations in(random, format, shape.tokens, matrix.columns(), false);
    const auto result = run<std::int64_t>(tables().front()->matmul_partial, matrix, in.from(0), shape.tokens, nullptr);
    std::vector<float> row(matrix.columns());
    for (std::size_t r = 0; r < shape.rows; ++r) {
      unpack_row(matrix, r, row.data());
      for (std::size_t t = 0; t < shape.tokens; ++t) {
        double sum = 0, magnitude = 0;
        for (std::size_t c = 0; c < row.size(); ++c) {
          const double product = double{row[c]} * in.at(t, c);
          sum += product;
          magnitude += std::fabs(product);
        }
        const double got = std::ldexp(static_cast<double>(result.out[t * (shape.rows + guard) + r]), -32);
        if (result.overflow[t] == 0) CHECK(std::fabs(got - sum) <= magnitude * 0x1p-21 + 0x1p-30);
      }
    }
  }
}

/// One F32 weight row, two leaves of one block: the first leaf sums to `leaf`, the second to 1.
Result<std::int64_t> sum_of_leaf(const KernelTable& table, float leaf, std::uint8_t flag = 0) {
  std::vector<float> row(64);
  row[0] = leaf;
  row[32] = 1.0F;
  const Packed packed({Format::f32, reinterpret_cast<const std::byte*>(row.data()), 64, 0, 1, 0, 2, 32});
  std::vector<float> in(3 * 64);
  for (std::size_t t = 0; t < 3; ++t) in[t * 64 + 32] = 1.0F;
  in[64] = 1.0F;
  return run<std::int64_t>(table.matmul_partial, packed.matrix(), {in.data(), 64}, 3, nullptr, flag);
}

TEST_CASE("a leaf out of range sets its token's flag and adds nothing", "[kernels][matmul]") {
  constexpr std::int64_t one = std::int64_t{1} << fixed_fraction_bits;
  for (const KernelTable* table : test::tested_tables()) {
    CAPTURE(table->name);
    const float beyond = std::nextafter(fixed_limit, 1e9F);
    for (const float leaf : {beyond, -beyond, 1e30F}) {
      CAPTURE(leaf);
      const auto result = sum_of_leaf(*table, leaf);
      CHECK(result.overflow == std::vector<std::uint8_t>{0, 1, 0});
      CHECK(result.out[1 + guard] == one);
      CHECK(result.out[2 * (1 + guard)] == one);
    }
    CHECK(sum_of_leaf(*table, beyond, 7).overflow == std::vector<std::uint8_t>{7, 7, 7});  // what came before stands
    for (const float leaf : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
      CHECK(sum_of_leaf(*table, leaf).overflow == std::vector<std::uint8_t>{1, 1, 1});  // also where it meets a zero
    }
    for (const float leaf : {fixed_limit, -fixed_limit}) {
      const auto result = sum_of_leaf(*table, leaf);
      CHECK(result.overflow == std::vector<std::uint8_t>{0, 0, 0});
      CHECK(result.out[1 + guard] == static_cast<std::int64_t>(leaf) * one + one);
    }
  }
}

TEST_CASE("a leaf is rounded to nearest even, once", "[kernels][matmul]") {
  constexpr std::int64_t one = std::int64_t{1} << fixed_fraction_bits;
  for (const KernelTable* table : test::tested_tables()) {
    CAPTURE(table->name);
    CHECK(sum_of_leaf(*table, 0x1p-33F).out[1 + guard] == one);
    CHECK(sum_of_leaf(*table, 0x1.8p-32F).out[1 + guard] == one + 2);
    CHECK(sum_of_leaf(*table, -0x1.4p-31F).out[1 + guard] == one - 2);
    CHECK(sum_of_leaf(*table, 0x1.8p-149F).out[1 + guard] == one);
    CHECK(sum_of_leaf(*table, 0x1.000002p-32F).out[1 + guard] == one + 1);
  }
}

TEST_CASE("tables are listed slowest first and found by name", "[kernels][table]") {
  REQUIRE_FALSE(tables().empty());
  CHECK(tables().front()->name == "reference");
  CHECK(find_table() == tables().back());
  for (const KernelTable* table : tables()) CHECK(find_table(table->name) == table);
  CHECK(find_table("abacus") == nullptr);
}

TEST_CASE("a thread's floating-point mode is put back", "[kernels][table]") {
  std::fesetround(FE_UPWARD);
  set_floating_point_mode();
  CHECK(std::fegetround() == FE_TONEAREST);
  volatile float smallest_normal = std::numeric_limits<float>::min();
  CHECK(smallest_normal / 2 > 0);
}

}  // namespace
}  // namespace troupe::kernels::test
