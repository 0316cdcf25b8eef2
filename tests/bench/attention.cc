// How fast attention and the row-local kernels are, with one thread: attention [table]
// Attention's rates are those of the best call, because neighbours on the machine disturb the others.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <random>
#include <string_view>
#include <vector>

#include "kernels/floating_point.hpp"
#include "kernels/math.hpp"
#include "kernels/table.hpp"
#include "tests/bench/fma.hpp"

using namespace troupe::kernels;

namespace {

struct Seconds {
  double best, median;
};

/// Of a call, measured for about 0.3 seconds in batches of 2 milliseconds or more.
Seconds measure(const std::function<void()>& call) {
  using Clock = std::chrono::steady_clock;
  const auto time = [&](int times) {
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < times; ++i) call();
    return std::chrono::duration<double>(Clock::now() - start).count() / times;
  };
  time(1);
  const int batch = std::max(1, static_cast<int>(2e-3 / time(1)));
  std::vector<double> samples;
  for (double total = 0.0; total < 0.3 || samples.size() < 5; total += samples.back() * batch) {
    samples.push_back(time(batch));
  }
  std::sort(samples.begin(), samples.end());
  return {samples.front(), samples[samples.size() / 2]};
}

/// Of fp32 FMA with the vectors that a table uses.
double peak_gflops(const KernelTable& table) {
  const bool wide = table.name == "avx512";
  volatile float sink = 0.0F;
  const double time =
      measure([&] { sink = wide ? troupe::bench::multiply_add_512() : troupe::bench::multiply_add_256(); }).best;
  return 1e-9 * troupe::bench::fma_operations(wide) / time;
}

struct Shape {
  const char* name;
  std::size_t heads, kv_heads, head_dim, window;
};

constexpr Shape shapes[] = {
    {"SmolLM2-135M", 9, 3, 64, 0}, {"1.1B", 32, 4, 64, 0}, {"Gemma3-270M", 4, 1, 256, 512}, {"Phi-2", 32, 32, 80, 0}};

std::vector<float> random_floats(std::size_t n) {
  static std::mt19937 engine(1);
  std::normal_distribution<float> distribution;
  std::vector<float> x(n);
  for (float& value : x) value = distribution(engine);
  return x;
}

/// Multiplications and additions of what a query sees, both products.
double useful_flops(const Shape& shape, std::size_t tokens, std::size_t first_position) {
  double seen = 0.0;
  for (std::size_t p = first_position; p < first_position + tokens; ++p) {
    seen += static_cast<double>(shape.window == 0 ? p + 1 : std::min(p + 1, shape.window));
  }
  return seen * 4.0 * static_cast<double>(shape.heads * shape.head_dim);
}

void bench_attention(const KernelTable& table, const Shape& shape, std::size_t tokens, std::size_t first_position,
                     double peak) {
  const std::size_t end = first_position + tokens, width = shape.heads * shape.head_dim;
  const std::vector<float> q = random_floats(tokens * width);
  std::vector<float> out(q.size());
  std::vector<std::vector<std::byte>> blocks((end + kv_block - 1) / kv_block);
  std::vector<const std::byte*> pointers;
  for (std::vector<std::byte>& block : blocks) {
    block.resize(shape.kv_heads * kv_head_bytes(shape.head_dim));
    for (std::size_t i = 0; i < shape.kv_heads * kv_block; ++i) {
      const std::vector<float> kv = random_floats(2 * shape.head_dim);
      table.kv_append(kv.data(), kv.data() + shape.head_dim, shape.head_dim, i % kv_block,
                      block.data() + i / kv_block * kv_head_bytes(shape.head_dim));
    }
    pointers.push_back(block.data());
  }
  std::vector<std::uint16_t> kv_heads;
  for (std::size_t h = 0; h < shape.heads; ++h)
    kv_heads.push_back(static_cast<std::uint16_t>(h * shape.kv_heads / shape.heads));

  const AttentionArgs args{q.data(),        width,           out.data(),  width,          tokens, first_position,
                           pointers.data(), kv_heads.data(), shape.heads, shape.head_dim, 0.125F, shape.window};
  const std::size_t items = (tokens + attention_tile - 1) / attention_tile * shape.heads;
  const auto [time, median] = measure([&] { table.attention(args, 0, items); });
  const double gflops = useful_flops(shape, tokens, first_position) / time * 1e-9;
  const std::size_t read = shape.window == 0 ? end : std::min(end, shape.window);
  const double gigabytes = 4e-9 * static_cast<double>(read * shape.kv_heads * shape.head_dim) / time;
  std::printf("  %-13s %4zu at %5zu  %8.1f us (median %8.1f)  %6.1f GFLOP/s  %3.0f %% of peak", shape.name, tokens,
              first_position, time * 1e6, median * 1e6, gflops, 100.0 * gflops / peak);
  tokens == 1 ? std::printf("  %5.1f GB/s of K and V\n", gigabytes) : std::printf("\n");
}

void bench_rows(const KernelTable& table, std::size_t n) {
  const std::vector<float> x = random_floats(n), y = random_floats(n);
  std::vector<float> out(n);
  std::vector<Q8Block> blocks(n / block_columns);
  std::vector<std::int64_t> fixed(n, 1);
  const std::size_t head_dim = 64;
  std::vector<double> frequencies(head_dim / 2);
  std::vector<float> cos_sin(head_dim);
  rope_frequencies(10000.0, head_dim, frequencies.data());
  rope_angles(frequencies.data(), head_dim, 77, 1.0, cos_sin.data());
  std::vector<std::byte> kv(kv_head_bytes(head_dim));

  const auto report = [](const char* name, const std::function<void()>& call) {
    std::printf("  %s %.0f", name, measure(call).median * 1e9);
  };
  std::printf("  median ns at n = %zu:", n);
  report("rms_norm", [&] { table.rms_norm(x.data(), y.data(), 1e-5F, n, out.data()); });
  report("quantize", [&] { table.quantize(x.data(), n, blocks.data()); });
  report("from_fixed", [&] { table.from_fixed(fixed.data(), n, out.data()); });
  report("add", [&] { table.add(x.data(), n, out.data()); });
  report("silu_mul", [&] { table.silu_mul(x.data(), y.data(), n, out.data()); });
  report("gelu_mul", [&] { table.gelu_mul(x.data(), y.data(), n, out.data()); });
  report("rope adjacent",
         [&] { table.rope(out.data(), n / head_dim, head_dim, head_dim, cos_sin.data(), RopeStyle::adjacent); });
  report("rope halves",
         [&] { table.rope(out.data(), n / head_dim, head_dim, head_dim, cos_sin.data(), RopeStyle::halves); });
  report("kv_append (one head)", [&] { table.kv_append(x.data(), y.data(), head_dim, 5, kv.data()); });
  report("argmax", [&] { static_cast<void>(table.argmax(x.data(), n)); });
  report("log_sum_exp", [&] { static_cast<void>(table.log_sum_exp(x.data(), n)); });
  report("rope_angles (64)", [&] { rope_angles(frequencies.data(), head_dim, 1000, 1.0, cos_sin.data()); });
  std::printf("\n");
}

void bench(const KernelTable& table) {
  const double peak = peak_gflops(table);
  std::printf("%.*s: fp32 FMA peak %.0f GFLOP/s\n", static_cast<int>(table.name.size()), table.name.data(), peak);
  for (const Shape& shape : shapes) {
    bench_attention(table, shape, 512, 0, peak);
    bench_attention(table, shape, 1, 1000, peak);
  }
  bench_rows(table, 576);
  bench_rows(table, 2048);
}

}  // namespace

int main(int argc, char** argv) {
  set_floating_point_mode();
  for (const KernelTable* table : tables()) {
    if (argc > 1 ? table->name == argv[1] : table->name != "reference") bench(*table);
  }
}
