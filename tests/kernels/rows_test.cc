#include <catch2/catch.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/math.hpp"
#include "kernels/table.hpp"
#include "tests/kernels/tables.hpp"

using namespace troupe::kernels;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr std::size_t odd_sizes[] = {1, 2, 15, 16, 17, 31, 63, 64, 65, 100, 576, 1000, 1536, 2047};

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  std::vector<float> normal(std::size_t n, float deviation = 1.0F) {
    std::normal_distribution<float> distribution(0.0F, deviation);
    std::vector<float> x(n);
    for (float& value : x) value = distribution(engine_);
    return x;
  }

 private:
  std::mt19937 engine_;
};

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

const KernelTable& reference() { return *tables().front(); }

// Calls f(table, name) for every table but the reference.
template <class Function>
void for_each_table(Function f) {
  for (const KernelTable* table : test::tested_tables()) {
    if (table == &reference()) continue;
    INFO("table " << table->name);
    f(*table);
  }
}

}  // namespace

TEST_CASE("rms_norm", "[kernels]") {
  Random random(1);
  for (const std::size_t n : odd_sizes) {
    INFO("n " << n);
    const std::vector<float> x = random.normal(n, 3.0F), weight = random.normal(n);
    std::vector<float> expected(n);
    reference().rms_norm(x.data(), weight.data(), 1e-5F, n, expected.data());
    double sum = 0.0;
    for (const float value : x) sum += double{value} * value;
    for (std::size_t i = 0; i < n; ++i) {
      const double exact = x[i] / std::sqrt(sum / static_cast<double>(n) + 1e-5) * weight[i];
      CHECK(double{expected[i]} == Approx(exact).epsilon(1e-6).margin(1e-30));
    }
    for_each_table([&](const KernelTable& table) {
      std::vector<float> out = x;
      table.rms_norm(out.data(), weight.data(), 1e-5F, n, out.data());
      CHECK(same_bits(out, expected));
    });
  }
}

TEST_CASE("layer_norm, and the two steps of a norm whose sums are shared", "[kernels]") {
  Random random(10);
  for (const std::size_t n : odd_sizes) {
    INFO("n " << n);
    std::vector<float> x = random.normal(n, 3.0F);
    const std::vector<float> weight = random.normal(n);
    for (float& value : x) value += 5.0F;
    double mean = 0.0, square = 0.0;
    for (const float value : x) mean += value / static_cast<double>(n);
    for (const float value : x) square += (value - mean) * (value - mean) / static_cast<double>(n);
    std::vector<float> normed(n), weighed(n);
    reference().layer_norm(x.data(), weight.data(), 1e-5F, n, normed.data());
    reference().weigh(x.data(), 0.37F, weight.data(), n, weighed.data());
    const float sum = reference().sum_of_squares(x.data(), n);
    CHECK(double{sum} == Approx(static_cast<double>(n) * (square + mean * mean)).epsilon(1e-5));
    for (std::size_t i = 0; i < n; ++i) {
      const double exact = (x[i] - mean) / std::sqrt(square + 1e-5) * weight[i];
      CHECK(double{normed[i]} == Approx(exact).epsilon(1e-4).margin(1e-5 * std::fabs(weight[i])));
      CHECK(weighed[i] == (x[i] * 0.37F) * weight[i]);
    }
    for_each_table([&](const KernelTable& table) {
      std::vector<float> out = x;
      table.layer_norm(out.data(), weight.data(), 1e-5F, n, out.data());
      CHECK(same_bits(out, normed));
      table.weigh(x.data(), 0.37F, weight.data(), n, out.data());
      CHECK(same_bits(out, weighed));
      CHECK(table.sum_of_squares(x.data(), n) == sum);
    });
    x[n / 2] = infinity;
    for (const KernelTable* table : test::tested_tables()) {
      table->layer_norm(x.data(), weight.data(), 1e-5F, n, weighed.data());
      CHECK(std::all_of(weighed.begin(), weighed.end(), [](float value) { return std::isnan(value); }));
    }
  }
}

TEST_CASE("scale, softcap and the plain activation", "[kernels]") {
  Random random(11);
  const auto softcap = [](double x) { return 5.0 * std::tanh(x / 5.0); };
  const auto gelu = [](double x) {
    return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
  };
  for (const std::size_t n : odd_sizes) {
    INFO("n " << n);
    std::vector<float> x = random.normal(n, 4.0F);
    x.front() = -120.0F;
    x.back() = 600.0F;
    const auto check = [&](auto run, auto exact, double epsilon) {
      std::vector<float> expected = x;
      run(reference(), expected);
      for (std::size_t i = 0; i < n; ++i) {
        CHECK(double{expected[i]} == Approx(exact(double{x[i]})).epsilon(epsilon).margin(1e-6));
      }
      for_each_table([&](const KernelTable& table) {
        std::vector<float> out = x;
        run(table, out);
        CHECK(same_bits(out, expected));
      });
    };
    check([&](const KernelTable& table, auto& y) { table.scale(0.3F, n, y.data()); },
          [](double v) { return double{0.3F} * v; }, 1e-6);
    check([&](const KernelTable& table, auto& y) { table.softcap(5.0F, n, y.data()); }, softcap, 1e-6);
    check([&](const KernelTable& table, auto& y) { table.gelu(y.data(), n, y.data()); }, gelu, 3e-6);
  }
}

TEST_CASE("softcap is tanh_f32 everywhere, and near the true one", "[kernels]") {
  std::vector<float> x;
  for (std::uint64_t bits = 0; bits < 0x100000000U; bits += 65521) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (!std::isnan(value)) x.push_back(value);
  }
  for (const float edge : {0.0F, -0.0F, 0.625F, -0.625F, std::nextafter(0.625F, 0.0F)}) x.push_back(edge);
  std::vector<float> expected = x;
  reference().softcap(1.0F, x.size(), expected.data());
  double worst = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    CHECK(expected[i] == tanh_f32(x[i]));
    if (std::fabs(x[i]) > 1e-30F) worst = std::max(worst, std::fabs(expected[i] / std::tanh(double{x[i]}) - 1.0));
  }
  CHECK(worst < 3e-7);
  for_each_table([&](const KernelTable& table) {
    std::vector<float> out = x;
    table.softcap(1.0F, x.size(), out.data());
    CHECK(same_bits(out, expected));
  });
}

TEST_CASE("fault 9: a row whose mean square is no finite number is normed to NaN", "[kernels]") {
  Random random(9);
  for (const std::size_t n : odd_sizes) {
    for (const float bad : {3e38F, -3e38F, infinity, -infinity, not_a_number, -not_a_number}) {
      for (const std::size_t at : {std::size_t{0}, n / 2, n - 1}) {
        INFO("n " << n << ", " << bad << " at " << at);
        std::vector<float> x = random.normal(n, 3.0F);
        const std::vector<float> weight = random.normal(n);
        x[at] = bad;
        std::vector<float> expected(n);
        reference().rms_norm(x.data(), weight.data(), 1e-5F, n, expected.data());
        CHECK(std::all_of(expected.begin(), expected.end(), [](float value) { return std::isnan(value); }));
        for_each_table([&](const KernelTable& table) {
          std::vector<float> out = x;
          table.rms_norm(out.data(), weight.data(), 1e-5F, n, out.data());
          CHECK(same_bits(out, expected));
        });
      }
    }
    std::vector<float> x(n, 1e17F), out(n);  // whose sum of squares is a number still
    const std::vector<float> weight(n, 1.0F);
    for (const KernelTable* table : test::tested_tables()) {
      table->rms_norm(x.data(), weight.data(), 1e-5F, n, out.data());
      CHECK(out[n - 1] == Approx(1.0F));
    }
  }
}

TEST_CASE("quantize", "[kernels]") {
  Random random(2);
  std::vector<float> x = random.normal(576 * 2, 2.0F);
  for (std::size_t i = 0; i < block_columns; ++i) x.push_back(static_cast<float>(i) * 4.0F - 63.5F);  // scale 1/2
  x.insert(x.end(), block_columns, 0.0F);
  x.insert(x.end(), block_columns, 1e-40F);
  x.insert(x.end(), block_columns, -0x1p-119F);
  x.insert(x.end(), block_columns, 3e38F);
  for (const float special : {infinity, -infinity, not_a_number, -not_a_number}) {
    x.insert(x.end(), block_columns, 1.0F);
    x[x.size() - 7] = special;
  }
  const std::size_t blocks = x.size() / block_columns;
  std::vector<Q8Block> expected(blocks);
  reference().quantize(x.data(), x.size(), expected.data());

  for (std::size_t b = 0; b < blocks - 4; ++b) {
    const Q8Block& block = expected[b];
    std::int32_t sum = 0, first_sum = 0;
    for (std::size_t i = 0; i < block_columns; ++i) {
      CHECK(std::fabs(block.scale * static_cast<float>(block.q[i]) - x[b * block_columns + i]) <=
            block.scale * 0.5001F + 1e-36F);
      CHECK(std::abs(block.q[i]) <= 127);
      sum += block.q[i];
      if (i < 16) first_sum += block.q[i];
    }
    CHECK(block.neg_sum == -sum);
    CHECK(block.neg_first_sum == -first_sum);
    CHECK(block.scaled_sum == block.scale * static_cast<float>(sum));
  }
  for (std::size_t b = blocks - 4; b < blocks; ++b) {
    CHECK(std::isnan(expected[b].scale));
    CHECK(std::isnan(expected[b].scaled_sum));
    CHECK(expected[b].neg_sum == 0);
  }
  CHECK(expected[blocks - 7].scale == 0.0F);  // 1e-40
  for_each_table([&](const KernelTable& table) {
    std::vector<Q8Block> out(blocks);
    table.quantize(x.data(), x.size(), out.data());
    CHECK(same_bits(out, expected));
  });
}

TEST_CASE("add and the gated activations", "[kernels]") {
  Random random(3);
  using Gated = void (*KernelTable::*)(const float*, const float*, std::size_t, float*);
  const auto silu = [](double x) { return x / (1.0 + std::exp(-x)); };
  const auto gelu = [](double x) {
    return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
  };
  for (const std::size_t n : odd_sizes) {
    INFO("n " << n);
    std::vector<float> x = random.normal(n, 4.0F), y = random.normal(n);
    x.front() = -120.0F;
    x.back() = 95.0F;
    const auto check = [&](Gated op, auto exact) {
      std::vector<float> expected(n);
      (reference().*op)(x.data(), y.data(), n, expected.data());
      for (std::size_t i = 0; i < n; ++i) {
        CHECK(double{expected[i]} == Approx(exact(double{x[i]}) * y[i]).epsilon(3e-6).margin(1e-6));
      }
      for_each_table([&](const KernelTable& table) {
        std::vector<float> out = x;
        (table.*op)(out.data(), y.data(), n, out.data());
        CHECK(same_bits(out, expected));
      });
    };
    check(&KernelTable::silu_mul, silu);
    check(&KernelTable::gelu_mul, gelu);
    std::vector<float> sum = x;
    reference().add(y.data(), n, sum.data());
    for (std::size_t i = 0; i < n; ++i) CHECK(sum[i] == x[i] + y[i]);
    for_each_table([&](const KernelTable& table) {
      std::vector<float> out = x;
      table.add(y.data(), n, out.data());
      CHECK(same_bits(out, sum));
    });
  }
}

TEST_CASE("the activations' exponential is exp_f32 everywhere", "[kernels]") {
  std::vector<float> gate, up;
  for (std::uint64_t bits = 0; bits < 0x100000000U; bits += 65521) {
    const auto x = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (std::isnan(x)) continue;
    gate.push_back(x);
    up.push_back(1.0F);
  }
  std::vector<float> expected(gate.size()), out(gate.size());
  reference().silu_mul(gate.data(), up.data(), gate.size(), expected.data());
  for_each_table([&](const KernelTable& table) {
    table.silu_mul(gate.data(), up.data(), gate.size(), out.data());
    CHECK(same_bits(out, expected));
  });
}

TEST_CASE("fixed point to float", "[kernels]") {
  std::mt19937_64 engine(4);
  for (const std::size_t n : odd_sizes) {
    INFO("n " << n);
    std::vector<std::int64_t> x(n);
    for (std::int64_t& fixed : x) fixed = static_cast<std::int64_t>(engine()) >> (engine() % 60 + 3);
    std::vector<float> expected(n);
    reference().from_fixed(x.data(), n, expected.data());
    for (std::size_t i = 0; i < n; ++i) {
      CHECK(expected[i] == static_cast<float>(std::ldexp(static_cast<long double>(x[i]), -32)));
    }
    for_each_table([&](const KernelTable& table) {
      std::vector<float> out(n);
      table.from_fixed(x.data(), n, out.data());
      CHECK(same_bits(out, expected));
    });
  }
}

TEST_CASE("rope, of whole heads and of parts", "[kernels]") {
  Random random(5);
  constexpr std::size_t heads = 3;
  const auto check = [&](std::size_t head_dim, std::size_t dims, RopeStyle style) {
    INFO("head_dim " << head_dim << ", dims " << dims);
    const std::vector<float> x = random.normal(heads * head_dim);
    std::vector<double> frequencies(dims / 2);
    std::vector<float> cos_sin(dims);
    rope_frequencies(10000.0, dims, frequencies.data());
    rope_angles(frequencies.data(), dims, 1234, 1.5, cos_sin.data());
    std::vector<float> expected = x;
    reference().rope(expected.data(), heads, head_dim, dims, cos_sin.data(), style);
    for (std::size_t h = 0; h < heads; ++h) {
      const std::size_t head = h * head_dim;
      for (std::size_t i = 0; i < dims / 2; ++i) {
        const bool adjacent = style == RopeStyle::adjacent;
        const std::size_t first = head + (adjacent ? 2 * i : i);
        const std::size_t second = adjacent ? first + 1 : first + dims / 2;
        const double angle = 1234 * std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(dims));
        CHECK(expected[first] == Approx(1.5 * (x[first] * std::cos(angle) - x[second] * std::sin(angle))).margin(2e-6));
        CHECK(expected[second] ==
              Approx(1.5 * (x[second] * std::cos(angle) + x[first] * std::sin(angle))).margin(2e-6));
      }
      for (std::size_t i = head + dims; i < head + head_dim; ++i) CHECK(expected[i] == x[i]);
    }
    for_each_table([&](const KernelTable& table) {
      std::vector<float> out = x;
      table.rope(out.data(), heads, head_dim, dims, cos_sin.data(), style);
      CHECK(same_bits(out, expected));
    });
  };
  for (const RopeStyle style : {RopeStyle::adjacent, RopeStyle::halves}) {
    for (std::size_t head_dim = 16; head_dim <= 256; head_dim += 16) check(head_dim, head_dim, style);
    for (const std::size_t dims : {2U, 8U, 16U, 20U, 30U, 34U, 64U, 94U}) check(96, dims, style);
  }
}

TEST_CASE("kv_append", "[kernels]") {
  Random random(6);
  for (const std::size_t head_dim : {16U, 64U, 80U, 256U}) {
    for (const std::size_t place : {0U, 1U, 31U, 63U}) {
      std::vector<float> k = random.normal(head_dim, 100.0F), v = random.normal(head_dim, 1e-5F);
      k[0] = 1e9F;
      k[1] = -infinity;
      v[2] = 65519.9F;
      std::vector<std::byte> expected(kv_head_bytes(head_dim), std::byte{0x55});
      const std::vector<std::byte> untouched = expected;
      reference().kv_append(k.data(), v.data(), head_dim, place, expected.data());
      std::uint16_t half;
      std::memcpy(&half, expected.data() + 2 * place, 2);
      CHECK(half == 0x7BFF);
      std::memcpy(&half, expected.data() + kv_value_offset(head_dim) + 2 * (place * head_dim + 3), 2);
      CHECK(half == f32_to_f16(v[3]));
      for_each_table([&](const KernelTable& table) {
        std::vector<std::byte> out = untouched;
        table.kv_append(k.data(), v.data(), head_dim, place, out.data());
        CHECK(same_bits(out, expected));
      });
    }
  }
}

TEST_CASE("argmax finds the first of the largest", "[kernels]") {
  Random random(7);
  for (const std::size_t n : odd_sizes) {
    std::vector<float> x = random.normal(n);
    const auto check = [&](std::size_t expected) {
      for (const KernelTable* table : test::tested_tables()) {
        INFO("table " << table->name << " n " << n);
        CHECK(table->argmax(x.data(), n) == expected);
      }
    };
    check(static_cast<std::size_t>(std::max_element(x.begin(), x.end()) - x.begin()));
    x[n / 2] = x[n - 1] = 50.0F;
    check(n / 2);
    x[n / 3] = infinity;
    check(n / 3);
    x[0] = not_a_number;
    check(n / 3 == 0 ? (n == 1 ? 0 : n / 2) : n / 3);
    x.assign(n, -5.0F);
    check(0);
    x.assign(n, -infinity);
    check(0);
    x.assign(n, not_a_number);
    check(0);
    x.assign(n, -0.0F);
    x[n - 1] = 0.0F;
    check(0);
  }
}

TEST_CASE("exponentials are exp_f32 everywhere", "[kernels]") {
  Random random(12);
  for (const std::size_t n : {1U, 15U, 16U, 33U, 1000U}) {
    std::vector<float> x = random.normal(n, 40.0F);
    x.front() = -infinity;
    x.back() = n == 1 ? -87.0F : 200.0F;
    std::vector<float> expected;
    for (const float value : x) expected.push_back(exp_f32(value));
    for (const KernelTable* table : test::tested_tables()) {
      std::vector<float> out(n + 1, 7.0F);
      table->exponentials(x.data(), n, out.data());
      CHECK(out[n] == 7.0F);
      out.pop_back();
      CHECK(same_bits(out, expected));
    }
  }
}

TEST_CASE("log_sum_exp", "[kernels]") {
  Random random(8);
  for (const std::size_t n : {1U, 5U, 16U, 1000U, 1024U, 1025U, 2048U, 3000U, 5121U, 49152U}) {
    INFO("n " << n);
    std::vector<float> x = random.normal(n, 5.0F);
    const auto check = [&]() {
      const float expected = reference().log_sum_exp(x.data(), n);
      for_each_table([&](const KernelTable& table) {
        const float out = table.log_sum_exp(x.data(), n);
        CHECK((std::bit_cast<std::uint32_t>(out) == std::bit_cast<std::uint32_t>(expected) ||
               (std::isnan(out) && std::isnan(expected))));
      });
      return expected;
    };
    double sum = 0.0;
    for (const float value : x) sum += std::exp(double{value});
    CHECK(double{check()} == Approx(std::log(sum)).epsilon(1e-6).margin(1e-6));
    for (std::size_t i = 0; i < n - 1; ++i) x[i] = -infinity;  // a filter that leaves one token
    CHECK(check() == x[n - 1]);
    x[n - 1] = -infinity;
    CHECK(check() == -infinity);
    x[n / 2] = not_a_number;
    CHECK(std::isnan(check()));
  }
}
