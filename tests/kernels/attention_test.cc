#include <catch2/catch.hpp>

#include <algorithm>
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

struct Shape {
  std::size_t heads, kv_heads, head_dim, tokens, first_position, window;
  float softcap = 0.0F;
  bool sinks = false;
};

std::ostream& operator<<(std::ostream& out, const Shape& s) {
  return out << s.heads << " heads, " << s.kv_heads << " KV heads, head_dim " << s.head_dim << ", " << s.tokens
             << " tokens from " << s.first_position << ", window " << s.window << ", softcap " << s.softcap
             << (s.sinks ? ", with sinks" : "");
}

// A random sequence in a paged cache. Slots that no query may see hold garbage, NaN among it.
class Case {
 public:
  Case(const Shape& shape, unsigned seed) : shape_(shape), engine_(seed) {
    const std::size_t end = shape.first_position + shape.tokens;
    fill_cache(end);
    fill(q_, shape.tokens * q_stride(), 1.5F);
    for (std::size_t h = 0; h < shape.heads; ++h) {
      kv_heads_.push_back(static_cast<std::uint16_t>(h * shape.kv_heads / shape.heads));
    }
    if (shape.sinks) fill(sinks_, shape.heads, 4.0F);
  }

  static constexpr std::size_t layer_offset = 96;  // bytes of a block before the KV heads of this layer

  [[nodiscard]] std::size_t q_stride() const { return shape_.heads * shape_.head_dim + 32; }
  [[nodiscard]] std::size_t out_stride() const { return shape_.heads * shape_.head_dim; }
  [[nodiscard]] std::size_t blocks() const { return pointers_.size(); }
  [[nodiscard]] std::size_t items() const {
    return (shape_.tokens + attention_tile - 1) / attention_tile * shape_.heads;
  }

  [[nodiscard]] AttentionArgs args(std::vector<float>& out) const {
    out.assign(shape_.tokens * out_stride(), -1.0F);
    return {.q = q_.data(),
            .q_stride = q_stride(),
            .out = out.data(),
            .out_stride = out_stride(),
            .tokens = shape_.tokens,
            .first_position = shape_.first_position,
            .kv_blocks = pointers_.data(),
            .kv_head = kv_heads_.data(),
            .heads = shape_.heads,
            .head_dim = shape_.head_dim,
            .scale = 1.0F / std::sqrt(static_cast<float>(shape_.head_dim)),
            .window = shape_.window,
            .kv_offset = layer_offset,
            .softcap = shape_.softcap,
            .sinks = shape_.sinks ? sinks_.data() : nullptr};
  }

  [[nodiscard]] std::vector<float> run(const KernelTable& table) const {
    std::vector<float> out;
    table.attention(args(out), 0, items());
    return out;
  }

  [[nodiscard]] std::vector<double> exact() const {
    std::vector<double> out(shape_.tokens * out_stride());
    for (std::size_t t = 0; t < shape_.tokens; ++t) {
      for (std::size_t h = 0; h < shape_.heads; ++h)
        exact_head(t, h, out.data() + t * out_stride() + h * shape_.head_dim);
    }
    return out;
  }

 private:
  void fill(std::vector<float>& x, std::size_t n, float deviation) {
    std::normal_distribution<float> distribution(0.0F, deviation);
    x.resize(n);
    for (float& value : x) value = distribution(engine_);
  }

  // Blocks that lie before the window are not there at all.
  void fill_cache(std::size_t end) {
    const std::size_t head_bytes = kv_head_bytes(shape_.head_dim);
    const std::size_t first =
        shape_.window == 0 || shape_.first_position < shape_.window ? 0 : shape_.first_position - shape_.window + 1;
    std::vector<float> k, v;
    for (std::size_t b = 0; b * kv_block < end; ++b) {
      storage_.emplace_back();
      pointers_.push_back(nullptr);
      if ((b + 1) * kv_block <= first) continue;
      storage_[b].resize((layer_offset + shape_.kv_heads * head_bytes) / sizeof(std::uint16_t));
      for (std::uint16_t& half : storage_[b]) half = static_cast<std::uint16_t>(engine_() | 0x7C01U);  // NaN
      pointers_[b] = reinterpret_cast<const std::byte*>(storage_[b].data());
      for (std::size_t p = std::max(first, b * kv_block); p < std::min(end, (b + 1) * kv_block); ++p) {
        for (std::size_t h = 0; h < shape_.kv_heads; ++h) {
          fill(k, shape_.head_dim, 1.5F);
          fill(v, shape_.head_dim, 1.0F);
          auto* head = reinterpret_cast<std::byte*>(storage_[b].data()) + layer_offset + h * head_bytes;
          tables().front()->kv_append(k.data(), v.data(), shape_.head_dim, p % kv_block, head);
        }
      }
    }
  }

  void exact_head(std::size_t token, std::size_t head, double* out) const {
    const std::size_t position = shape_.first_position + token, dim = shape_.head_dim;
    const float* q = q_.data() + token * q_stride() + head * dim;
    double sum = shape_.sinks ? std::exp(double{sinks_[head]}) : 0.0;
    for (std::size_t p = 0; p <= position; ++p) {
      if (shape_.window != 0 && p + shape_.window <= position) continue;
      const std::uint16_t* keys =
          storage_[p / kv_block].data() + (layer_offset + kv_heads_[head] * kv_head_bytes(dim)) / sizeof(std::uint16_t);
      const std::uint16_t* values = keys + dim * kv_block + p % kv_block * dim;
      double score = 0.0;
      for (std::size_t d = 0; d < dim; ++d) score += double{q[d]} * f16_to_f32(keys[d * kv_block + p % kv_block]);
      score /= std::sqrt(static_cast<double>(dim));
      if (shape_.softcap != 0.0F) score = shape_.softcap * std::tanh(score / shape_.softcap);
      const double weight = std::exp(score);
      sum += weight;
      for (std::size_t d = 0; d < dim; ++d) out[d] += weight * f16_to_f32(values[d]);
    }
    for (std::size_t d = 0; d < dim; ++d) out[d] /= sum;
  }

  Shape shape_;
  std::mt19937 engine_;
  std::vector<std::vector<std::uint16_t>> storage_;
  std::vector<const std::byte*> pointers_;
  std::vector<std::uint16_t> kv_heads_;
  std::vector<float> q_, sinks_;
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

const KernelTable& reference() { return *tables().front(); }

constexpr Shape shapes[] = {{1, 1, 16, 1, 0, 0},
                            {1, 1, 64, 1, 63, 0},
                            {1, 1, 64, 1, 64, 0},
                            {3, 1, 64, 1, 1000, 0},
                            {9, 3, 64, 1, 321, 0},
                            {9, 3, 64, 70, 0, 0},
                            {9, 3, 64, 33, 250, 0},
                            {4, 1, 256, 13, 120, 0},
                            {4, 1, 256, 20, 300, 65},
                            {8, 1, 64, 17, 190, 0},
                            {32, 4, 64, 9, 60, 0},
                            {2, 2, 128, 40, 500, 64},
                            {2, 2, 80, 25, 100, 0},
                            {5, 5, 96, 3, 62, 0},
                            {3, 1, 112, 11, 127, 1},
                            {7, 1, 16, 64, 5, 7},
                            {2, 1, 32, 70, 700, 130},
                            {4, 1, 256, 1, 900, 512},
                            {6, 2, 48, 5, 383, 128},
                            {10, 1, 256, 8, 64, 0},
                            {70, 1, 16, 3, 62, 0},
                            {3, 1, 240, 6, 250, 0},
                            {2, 1, 176, 8, 640, 200},
                            {2, 1, 16, 2, 20000, 0},
                            {4, 1, 256, 13, 120, 0, 5.0F},
                            {4, 2, 64, 20, 300, 65, 2.0F},
                            {3, 1, 16, 1, 100, 0, 50.0F},
                            {5, 1, 288, 9, 130, 0},
                            {2, 2, 512, 11, 60, 40},
                            {1, 1, 16, 1, 0, 0, 0, true},
                            {9, 3, 64, 70, 0, 0, 0, true},
                            {64, 8, 64, 3, 300, 128, 0, true},
                            {5, 1, 96, 11, 250, 65, 0, true},
                            {4, 1, 256, 13, 120, 0, 5.0F, true},
                            {70, 1, 16, 3, 62, 1, 0, true}};

// Each part with its own blocks alone; items in two shares; each part's nodes one behind another.
std::vector<float> merged_parts(const Case& test, const Shape& shape, const KernelTable& table, std::size_t stretch,
                                std::size_t parts) {
  std::vector<float> out, nodes;
  AttentionArgs args = test.args(out);
  const std::size_t columns = shape.heads * (shape.head_dim + 2);
  std::vector<std::vector<std::uint32_t>> first(parts);  // [parts][tokens]
  std::uint32_t count = 0;
  for (std::size_t part = 0; part < parts; ++part) {
    for (std::size_t token = 0; token < shape.tokens; ++token) {
      const std::size_t position = shape.first_position + token;
      const std::size_t begin = shape.window == 0 || position < shape.window ? 0 : position - shape.window + 1;
      first[part].push_back(count);
      for (std::size_t s = begin / (stretch * kv_block); s <= position / (stretch * kv_block); ++s) {
        count += s % parts == part ? 1 : 0;
      }
    }
  }
  nodes.assign(count * columns, std::numeric_limits<float>::quiet_NaN());
  for (std::size_t part = 0; part < parts; ++part) {
    std::vector<const std::byte*> mine(args.kv_blocks, args.kv_blocks + test.blocks());
    for (std::size_t b = 0; b < mine.size(); ++b) mine[b] = b / stretch % parts == part ? mine[b] : nullptr;
    AttentionArgs of_part = args;
    of_part.kv_blocks = mine.data();
    const DealtNodes dealt{stretch, parts, nodes.data(), first[part].data()};
    table.attention_nodes(of_part, dealt, part, 0, test.items() / 2);
    table.attention_nodes(of_part, dealt, part, test.items() / 2, test.items());
  }
  for (std::size_t token = 0; token < shape.tokens; ++token) {
    std::vector<std::uint32_t> of_token;
    for (const auto& part : first) of_token.push_back(part[token]);
    table.attention_merge(args, {stretch, parts, nodes.data(), of_token.data()}, token);
  }
  return out;
}

}  // namespace

TEST_CASE("the plain attention agrees with float64", "[kernels][attention]") {
  for (const Shape& shape : shapes) {
    INFO(shape);
    const Case test(shape, 11);
    const std::vector<double> exact = test.exact();
    const std::vector<float> out = test.run(reference());
    double worst = 0.0;
    for (std::size_t i = 0; i < out.size(); ++i) worst = std::max(worst, std::fabs(out[i] - exact[i]));
    CHECK(worst < 1e-5);
  }
}

TEST_CASE("attention has the same bits in every table", "[kernels][attention]") {
  for (const Shape& shape : shapes) {
    const Case test(shape, 12);
    const std::vector<float> expected = test.run(reference());
    for (const KernelTable* table : test::tested_tables()) {
      INFO(table->name << ": " << shape);
      CHECK(same_bits(test.run(*table), expected));
    }
  }
}

TEST_CASE("attention does not depend on how its items are shared out", "[kernels][attention]") {
  std::mt19937 engine(13);
  for (const Shape& shape : shapes) {
    const Case test(shape, 13);
    for (const KernelTable* table : test::tested_tables()) {
      INFO(table->name << ": " << shape);
      const std::vector<float> expected = test.run(*table);
      std::vector<float> out;
      const AttentionArgs args = test.args(out);
      for (std::size_t first = 0; first < test.items();) {
        const std::size_t last = std::min(test.items(), first + 1 + engine() % 7);
        table->attention(args, first, last);
        first = last;
      }
      CHECK(same_bits(out, expected));
    }
  }
}

TEST_CASE("attention does not depend on how a prompt is cut into chunks", "[kernels][attention]") {
  std::mt19937 engine(14);
  for (const Shape& shape : shapes) {
    const Case test(shape, 14);
    for (const KernelTable* table : test::tested_tables()) {
      for (const std::size_t longest : {1U, 23U}) {
        INFO(table->name << ": " << shape << ", chunks up to " << longest);
        const std::vector<float> expected = test.run(*table);
        std::vector<float> out;
        const AttentionArgs whole = test.args(out);
        for (std::size_t first = 0; first < shape.tokens;) {
          AttentionArgs chunk = whole;
          chunk.tokens = std::min<std::size_t>(shape.tokens - first, 1 + engine() % longest);
          chunk.first_position += first;
          chunk.q += first * chunk.q_stride;
          chunk.out += first * chunk.out_stride;
          table->attention(chunk, 0, (chunk.tokens + attention_tile - 1) / attention_tile * chunk.heads);
          first += chunk.tokens;
        }
        CHECK(same_bits(out, expected));
      }
    }
  }
}

TEST_CASE("the plain ops in a row are attention", "[kernels][attention]") {
  for (const Shape& shape : shapes) {
    const Case test(shape, 15);
    const std::vector<float> expected = test.run(reference());
    std::vector<std::vector<float>> seen;
    for (const KernelTable* table : test::tested_tables()) {
      INFO(table->name << ": " << shape);
      const std::size_t score_stride = test.blocks() * kv_block, stat_stride = test.blocks();
      std::vector<float> out, everything;
      const AttentionArgs args = test.args(out);
      for (std::size_t token = 0; token < shape.tokens; ++token) {
        std::vector<float> scores(shape.heads * score_stride), maxima(shape.heads * stat_stride), sums(maxima);
        table->attention_scores(args, token, scores.data(), score_stride);
        everything.insert(everything.end(), scores.begin(), scores.end());
        table->attention_softmax(args, token, scores.data(), score_stride, maxima.data(), sums.data(), stat_stride);
        table->attention_values(args, token, scores.data(), score_stride, maxima.data(), sums.data(), stat_stride);
        for (const std::vector<float>& part : {scores, maxima, sums}) {
          everything.insert(everything.end(), part.begin(), part.end());
        }
      }
      CHECK(same_bits(out, expected));
      seen.push_back(std::move(everything));
      CHECK(same_bits(seen.back(), seen.front()));
    }
  }
}

TEST_CASE("attention over a cache that is dealt out, part by part, merges to the same bits", "[kernels][attention]") {
  std::mt19937 engine(17);
  for (const Shape& shape : shapes) {
    const Case test(shape, 17);
    const std::vector<float> expected = test.run(reference());
    for (const KernelTable* table : test::tested_tables()) {
      for (const std::size_t parts : {1U, 2U, 3U}) {
        const std::size_t stretch = std::size_t{1} << engine() % 3;
        INFO(table->name << ": " << shape << ", " << parts << " parts, stretches of " << stretch);
        CHECK(same_bits(merged_parts(test, shape, *table, stretch, parts), expected));
      }
    }
  }
}

TEST_CASE("a NaN in a query stays in its row", "[kernels][attention]") {
  const Shape shape{3, 1, 64, 10, 90, 0};
  const Case test(shape, 16);
  for (const KernelTable* table : test::tested_tables()) {
    INFO(table->name);
    const std::vector<float> expected = test.run(*table);
    std::vector<float> out;
    AttentionArgs args = test.args(out);
    std::vector<float> q(args.q, args.q + shape.tokens * args.q_stride);
    q[4 * args.q_stride + shape.head_dim + 5] = std::numeric_limits<float>::quiet_NaN();
    args.q = q.data();
    table->attention(args, 0, test.items());
    for (std::size_t i = 0; i < out.size(); ++i) {
      const bool poisoned = i / args.out_stride == 4 && i % args.out_stride / shape.head_dim == 1;
      if (poisoned != std::isnan(out[i]) || (!poisoned && out[i] != expected[i])) FAIL("element " << i);
    }
  }
}

TEST_CASE("a sink far below the scores is none, one far above leaves nothing, and each is its head's",
          "[kernels][attention]") {
  const Shape shape{3, 1, 64, 10, 90, 0};
  const Case test(shape, 17);
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const KernelTable* table : test::tested_tables()) {
    INFO(table->name);
    const std::vector<float> without = test.run(*table);
    std::vector<float> out;
    AttentionArgs args = test.args(out);
    const auto run_with = [&](const std::vector<float>& sinks) {
      args.sinks = sinks.data();
      table->attention(args, 0, test.items());
    };
    for (const float below : {-infinity, -200.0F}) {
      run_with({below, below, below});
      CHECK(same_bits(out, without));
    }
    run_with({-infinity, 300.0F, -infinity});
    for (std::size_t i = 0; i < out.size(); ++i) {
      const bool sunk = i % args.out_stride / shape.head_dim == 1;
      if (out[i] != (sunk ? 0.0F : without[i])) FAIL("element " << i);
    }
  }
}
