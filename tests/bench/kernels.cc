// What the matrix products reach of what the machine can do: share of its read bandwidth at one row, share of its peak
// at many (of 8-bit integers, and of fp32 for float weights), and what the contract's fixed-point leaves cost. Usage:
// kernels [table], or kernels --limits for the machine's two limits alone.
#include <immintrin.h>
#include <pthread.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "kernels/floating_point.hpp"
#include "kernels/table.hpp"
#include "runtime/memory/buffer.hpp"
#include "tests/bench/fma.hpp"
#include "tests/host/stored.hpp"
#include "tests/kernels/random_tensor.hpp"

namespace {

using namespace troupe::kernels;
using Work = std::function<void(std::size_t thread, std::size_t threads)>;

constexpr std::size_t streamed_bytes = 160u << 20;  // more than most last-level caches hold

void pin(std::size_t core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  if (pthread_setaffinity_np(pthread_self(), sizeof set, &set) != 0)
    std::fprintf(stderr, "not pinned to core %zu\n", core);
}

using Series = std::vector<double>;

double median(Series values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Median of the rounds' ratios: neighbours in time had the same of what else the machine did.
double ratio(const Series& a, const Series& b) {
  Series ratios;
  for (std::size_t i = 0; i < a.size(); ++i) ratios.push_back(a[i] / b[i]);
  return median(ratios);
}

Series sum(Series a, const Series& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

/// Seconds of each of `works` in each round, done by pinned threads in turn.
std::vector<Series> alternate(std::size_t threads, int rounds, const std::vector<Work>& works) {
  std::vector<Series> times(works.size());
  std::barrier meet(static_cast<std::ptrdiff_t>(threads));
  const auto run = [&](std::size_t self) {
    pin(self);
    set_floating_point_mode();
    for (int round = -1; round < rounds; ++round) {  // the first one warms up
      for (std::size_t i = 0; i < works.size(); ++i) {
        meet.arrive_and_wait();
        const auto start = std::chrono::steady_clock::now();
        works[i](self, threads);
        meet.arrive_and_wait();
        const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
        if (self == 0 && round >= 0) times[i].push_back(elapsed.count());
      }
    }
  };
  std::vector<std::thread> others;
  for (std::size_t t = 0; t < threads; ++t) others.emplace_back(run, t);
  for (std::thread& other : others) other.join();
  return times;
}

/// 16 rows. Numbers as models have them where they are floats: those that are subnormal take the processor longer.
std::vector<std::byte> random_weights(test::Random& random, Format format, std::size_t columns) {
  if (packing_of(format).planes != floats) {
    return test::random_tensor(random, format, group_rows, columns, test::Scales::below_two);
  }
  std::vector<float> values(group_rows * columns);
  for (float& value : values) value = random.between(-1, 1);
  return troupe::testing::stored(format, values);
}

/// Copies of one matrix, rows of a small random tensor over and over.
class Matrices {
 public:
  Matrices(Format format, std::uint32_t rows, std::uint32_t columns, std::uint32_t leaves, std::size_t copies)
      : copies_(copies) {
    test::Random random(1);
    const std::uint32_t whole_columns = (columns + 255) / 256 * 256;
    const std::vector<std::byte> tensor = random_weights(random, format, whole_columns);
    const PackSource source{format, tensor.data(), whole_columns, 0, group_rows, 0, leaves, columns / leaves};
    matrix_ = packed_layout(source);
    matrix_.rows = rows;
    size_ = matrix_.groups() * matrix_.group_bytes;
    storage_ = troupe::Buffer::allocate(copies_ * size_ + packed_padding, "the matrices").value();
    for (std::size_t g = 0; g < copies_ * matrix_.groups(); ++g) {
      pack(source, 0, 1, storage_.data() + g * matrix_.group_bytes);
    }
  }

  [[nodiscard]] std::size_t copies() const { return copies_; }
  [[nodiscard]] std::size_t bytes() const { return copies_ * size_; }
  [[nodiscard]] const std::byte* data() const { return storage_.data(); }
  [[nodiscard]] double operations(std::size_t tokens) const {
    return 2.0 * static_cast<double>(copies_ * tokens) * matrix_.rows * static_cast<double>(matrix_.columns());
  }
  [[nodiscard]] PackedMatrix copy(std::size_t i) const {
    PackedMatrix matrix = matrix_;
    matrix.data = storage_.data() + i * size_;
    return matrix;
  }

 private:
  PackedMatrix matrix_;
  std::size_t size_, copies_;
  troupe::Buffer storage_;
};

using Matmul = void (*)(const MatmulArgs&, std::size_t, std::size_t);

/// Every copy of a matrix times `tokens` rows of activations, the threads taking contiguous halves.
class Product {
 public:
  Product(Matmul matmul, const Matrices& matrices, std::size_t tokens)
      : matmul_(matmul), matrices_(matrices), tokens_(tokens) {
    const PackedMatrix matrix = matrices.copy(0);
    float_ = packing_of(matrix.format).planes == floats;
    stride_ = float_ ? matrix.columns() : matrix.columns() / block_columns;
    test::Random random(2);
    blocks_.resize(float_ ? 0 : tokens * stride_);
    for (Q8Block& block : blocks_) {
      for (std::int8_t& q : block.q) q = static_cast<std::int8_t>(static_cast<int>(random.below(255)) - 127);
      block.scale = 0.01F;
    }
    floats_.resize(float_ ? tokens * stride_ : 0);
    for (float& x : floats_) x = random.between(-1, 1);
    out_.resize(tokens * matrix.rows);
    overflow_.resize(tokens);
  }

  void operator()(std::size_t thread, std::size_t threads) {
    for (std::size_t i = 0; i < matrices_.copies(); ++i) {
      const PackedMatrix matrix = matrices_.copy(i);
      const std::size_t groups = matrix.groups();
      const void* in = float_ ? static_cast<const void*>(floats_.data()) : blocks_.data();
      matmul_({&matrix, in, stride_, tokens_, out_.data(), matrix.rows, overflow_.data()}, groups * thread / threads,
              groups * (thread + 1) / threads);
    }
  }

 private:
  Matmul matmul_;
  const Matrices& matrices_;
  std::size_t tokens_, stride_;
  bool float_;
  std::vector<Q8Block> blocks_;
  std::vector<float> floats_;
  std::vector<float> out_;
  std::vector<std::uint8_t> overflow_;
};

// Empty asm statements keep the compiler from dropping or merging what is computed and not used.

/// Reads the threads' contiguous parts of the memory, as fast as plain loads can.
template <_mm_hint hint>
[[gnu::target("avx2")]] void read_memory(const std::byte* data, std::size_t bytes, std::size_t thread,
                                         std::size_t threads) {
  constexpr std::size_t line = 64, lines = 4;
  const std::byte* at = data + bytes / threads * thread / line * line;
  const std::byte* end = at + bytes / threads / (lines * line) * (lines * line);
  __m256i sums[2]{};
  for (; at < end; at += lines * line) {
    for (std::size_t i = 0; i < lines; ++i) _mm_prefetch(reinterpret_cast<const char*>(at + 4096 + i * line), hint);
    for (std::size_t i = 0; i < 2 * lines; ++i)
      sums[i % 2] = _mm256_xor_si256(sums[i % 2], _mm256_load_si256(reinterpret_cast<const __m256i*>(at) + i));
  }
  for (const __m256i& sum : sums) asm volatile("" : : "x"(sum));
}

/// Both ways to read them: which is the faster depends on the processor.
std::vector<Work> reads(const Matrices& matrices) {
  return {[&](std::size_t thread, std::size_t all) {
            read_memory<_MM_HINT_NTA>(matrices.data(), matrices.bytes(), thread, all);
          },
          [&](std::size_t thread, std::size_t all) {
            read_memory<_MM_HINT_T0>(matrices.data(), matrices.bytes(), thread, all);
          }};
}

const Series& faster(const std::vector<Series>& reads) {
  return median(reads[0]) < median(reads[1]) ? reads[0] : reads[1];
}

constexpr std::size_t peak_steps = 1'000'000;
constexpr int peak_chains = 12;

[[gnu::target("avx512f,avx512bw,avx512vnni")]] void multiply_vnni() {
  __m512i sums[peak_chains]{};
  for (__m512i& sum : sums) asm volatile("" : "+v"(sum));
  __m512i weight = _mm512_set1_epi8(3), in = _mm512_set1_epi8(1);
  for (std::size_t step = 0; step < peak_steps; ++step) {
    asm volatile("" : "+v"(weight), "+v"(in));
#pragma GCC unroll 12
    for (__m512i& sum : sums) sum = _mm512_dpbusd_epi32(sum, weight, in);
  }
  for (const __m512i& sum : sums) asm volatile("" : : "v"(sum));
}

[[gnu::target("avx2")]] void multiply_maddubs() {
  __m256i sums[peak_chains]{};
  for (__m256i& sum : sums) asm volatile("" : "+x"(sum));
  __m256i weight = _mm256_set1_epi8(3), in = _mm256_set1_epi8(1);
  for (std::size_t step = 0; step < peak_steps; ++step) {
    asm volatile("" : "+x"(weight), "+x"(in));
#pragma GCC unroll 12
    for (__m256i& sum : sums) sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(weight, in));
  }
  for (const __m256i& sum : sums) asm volatile("" : : "x"(sum));
}

/// Giga-operations a second of 8-bit multiply-and-add alone; a multiply and an add are two.
double integer_peak(const KernelTable& table, std::size_t threads) {
  const bool vnni = table.name == "avx512";
  const double per_step = 2.0 * (vnni ? 64 : 32) * peak_chains;
  const auto seconds =
      alternate(threads, 3, {[&](std::size_t, std::size_t) { vnni ? multiply_vnni() : multiply_maddubs(); }});
  return per_step * peak_steps * static_cast<double>(threads) / median(seconds[0]) * 1e-9;
}

/// Giga-operations a second of fp32 multiply-and-add alone.
double float_peak(const KernelTable& table, std::size_t threads) {
  constexpr int calls = 100;
  const bool wide = table.name == "avx512";
  const auto seconds = alternate(threads, 3, {[&](std::size_t, std::size_t) {
                                   [[maybe_unused]] volatile float sink;
                                   for (int i = 0; i < calls; ++i)
                                     sink =
                                         wide ? troupe::bench::multiply_add_512() : troupe::bench::multiply_add_256();
                                 }});
  return calls * troupe::bench::fma_operations(wide) * static_cast<double>(threads) / median(seconds[0]) * 1e-9;
}

struct Shape {
  const char* name;
  std::uint32_t rows, columns;
};

constexpr Shape shapes_1b[] = {
    {"1.1B qkv 2560x2048", 2560, 2048}, {"1.1B gate+up 11264x2048", 11264, 2048}, {"1.1B down 2048x5632", 2048, 5632}};
constexpr Shape shapes_smol[] = {{"SmolLM2 qkv 960x576", 960, 576},
                                 {"SmolLM2 gate+up 3072x576", 3072, 576},
                                 {"SmolLM2 down 576x1536", 576, 1536},
                                 {"SmolLM2 head 49152x576", 49152, 576}};

std::size_t copies_in(Format format, const Shape& shape, std::size_t bytes) {
  return std::max<std::size_t>(1, bytes / (row_bytes(format, (shape.columns + 255) / 256 * 256) * shape.rows));
}

void print_one_row(const KernelTable& table, Format format, const Shape& shape) {
  const Matrices matrices(format, shape.rows, shape.columns, 1, copies_in(format, shape, streamed_bytes));
  std::printf("%-6s %-26s", info(format).name.data(), shape.name);
  for (const std::size_t threads : {1, 2}) {
    std::vector<Work> works = reads(matrices);
    works.push_back(Product(table.matmul, matrices, 1));
    const auto seconds = alternate(threads, 7, works);
    const Series& read = faster(seconds);
    const double bytes = static_cast<double>(matrices.bytes()) * 1e-9;
    std::printf("   %zu: %5.1f of %5.1f GB/s (%3.0f %%)", threads, bytes / median(seconds.back()), bytes / median(read),
                100 * ratio(read, seconds.back()));
  }
  std::printf("\n");
}

void one_row(const KernelTable& table) {
  std::printf("One row: weights read a second, of a plain read of the same memory, by threads\n");
  for (const Format format : test::every_format) print_one_row(table, format, shapes_1b[0]);
  for (const Format format : {Format::q4_0, Format::q4_1, Format::q8_0}) {
    for (const Shape& shape : {shapes_1b[1], shapes_1b[2]}) print_one_row(table, format, shape);
    for (const Shape& shape : shapes_smol) print_one_row(table, format, shape);
  }
}

void print_many_rows(const KernelTable& table, Format format, const Shape& shape, std::size_t threads, double peak) {
  std::printf("%-6s %-26s %zu:", info(format).name.data(), shape.name, threads);
  double one = 0;
  for (const std::size_t tokens : {1, 2, 4, 8, 16, 32, 64, 128, 512}) {
    const std::size_t bytes = tokens < 64 ? std::max<std::size_t>(streamed_bytes / tokens, 48 << 20) : 0;
    const Matrices matrices(format, shape.rows, shape.columns, 1, copies_in(format, shape, bytes));
    const double seconds = median(alternate(threads, 5, {Product(table.matmul, matrices, tokens)})[0]);
    const double speed = matrices.operations(tokens) / seconds * 1e-9;
    if (tokens == 1) one = speed;
    std::printf(" %zu: %.0f (%.1fx", tokens, speed, speed / one);
    if (tokens >= 64) std::printf(", %.0f %%", 100 * speed / peak);
    std::printf(")");
  }
  std::printf("\n");
}

void many_rows(const KernelTable& table) {
  std::printf("\nMany rows: GOP/s (in units of one row, share of the peak: of 8-bit products, or of fp32)\n");
  for (const std::size_t threads : {1, 2}) {
    const double peak = integer_peak(table, threads), of_floats = float_peak(table, threads);
    std::printf("peak with %zu: %.0f GOP/s, fp32 %.0f\n", threads, peak, of_floats);
    for (const Format format : test::every_format) {
      const bool is_float = packing_of(format).planes == floats;
      print_many_rows(table, format, shapes_1b[0], threads, is_float ? of_floats : peak);
      if (is_float) print_many_rows(table, format, shapes_1b[2], threads, of_floats);
    }
    for (const Format format : {Format::q4_0, Format::q4_1, Format::q8_0}) {
      print_many_rows(table, format, shapes_1b[2], threads, peak);
      print_many_rows(table, format, shapes_smol[1], threads, peak);
    }
  }
}

struct Split {
  Shape shape;
  std::uint32_t leaves;  ///< 0: not cut
};

constexpr Split layer_1b[] = {{shapes_1b[0], 0}, {{"1.1B out", 2048, 2048}, 8}, {shapes_1b[1], 0}, {shapes_1b[2], 8}};
constexpr Split layer_smol[] = {
    {shapes_smol[0], 0}, {{"SmolLM2 out", 576, 576}, 9}, {shapes_smol[1], 0}, {shapes_smol[2], 8}};

/// All products of `layers` layers, with leaves against the same kernels with one float accumulator.
void print_contract(const KernelTable& table, Format format, const char* name, std::span<const Split> layer,
                    std::size_t tokens, std::size_t layers) {
  std::vector<std::unique_ptr<Matrices>> matrices;
  std::vector<Work> plain, cut, whole;
  for (const Split& split : layer) {
    const auto add = [&](Matmul matmul, std::uint32_t leaves) {
      matrices.push_back(std::make_unique<Matrices>(format, split.shape.rows, split.shape.columns, leaves, layers));
      return Product(matmul, *matrices.back(), tokens);
    };
    if (split.leaves == 0) {
      plain.push_back(add(table.matmul, 1));
    } else {
      cut.push_back(add(table.matmul_leaves, split.leaves));
      whole.push_back(add(table.matmul, 1));
    }
  }
  const auto all = [](std::vector<Work>& works) {
    return [&works](std::size_t thread, std::size_t threads) {
      for (Work& work : works) work(thread, threads);
    };
  };
  const auto seconds = alternate(2, 21, {all(plain), all(cut), all(whole)});
  std::printf("%-6s %-8s %4zu rows: out and down %+5.1f %%, the layer's products %+5.1f %%\n", info(format).name.data(),
              name, tokens, 100 * (ratio(seconds[1], seconds[2]) - 1),
              100 * (ratio(sum(seconds[0], seconds[1]), sum(seconds[0], seconds[2])) - 1));
}

void contract(const KernelTable& table) {
  std::printf("\nWhat the contract costs, two threads: fixed-point leaves against one float accumulator\n");
  for (const Format format : {Format::q4_0, Format::q4_1}) {
    print_contract(table, format, "1.1B", layer_1b, 1, 4);
    print_contract(table, format, "1.1B", layer_1b, 512, 1);
    print_contract(table, format, "SmolLM2", layer_smol, 1, 48);
    print_contract(table, format, "SmolLM2", layer_smol, 512, 6);
  }
}

/// Read for as long as a decode is measured: a shared machine gives more for some milliseconds than for a second.
void machine_limits(const KernelTable& table) {
  constexpr std::size_t bytes = 640u << 20;
  constexpr int rounds = 41;
  const Matrices matrices(Format::q8_0, 2048, 2048, 1, bytes / (2048 * 2048));
  for (const std::size_t threads : {1, 2}) {
    const double seconds = median(faster(alternate(threads, rounds, reads(matrices))));
    std::printf("threads %zu: read %.2f GB/s, 8-bit products %.1f GOP/s\n", threads,
                static_cast<double>(matrices.bytes()) / seconds * 1e-9, integer_peak(table, threads));
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count > 1 && std::strcmp(arguments[1], "--limits") == 0) {
    machine_limits(*find_table());
    return 0;
  }
  const KernelTable* table = find_table(count > 1 ? arguments[1] : "");
  if (table == nullptr) {
    std::fprintf(stderr, "no table \"%s\" on this processor\n", arguments[1]);
    return 1;
  }
  std::printf("table %s\n", table->name.data());
  one_row(*table);
  many_rows(*table);
  contract(*table);
}
