#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "tests/host/tiny_model.hpp"
#include "tests/model_files.hpp"
#include "troupe/troupe.hpp"

// How far the logits of a small random llama are from float64, by how its weights are stored.

namespace troupe::testing {
namespace {

using kernels::Format;
using Row = std::vector<double>;

/// A model's file, and its tensors as the file has them.
struct Subject {
  Subject(Format format, const TinyModel::Sizes& sizes) : tiny{.layers = 3, .sizes = sizes} {
    tiny.store_all_as(format);
    tiny.edit = [&, format](const std::string& name, std::vector<float>& values) {
      const bool vector = name.find("norm") != std::string::npos;
      std::vector<float> as_read(values.size());
      const Format as = vector ? Format::f32 : format;
      kernels::info(as).dequantize(stored(as, values).data(), values.size(), as_read.data());
      tensors[name].assign(as_read.begin(), as_read.end());
    };
    file = tiny.file();
  }

  TinyModel tiny;
  std::map<std::string, Row> tensors;
  std::string file;
};

/// The same model in float64, token by token.
class Exact {
 public:
  explicit Exact(const Subject& subject)
      : sizes_(subject.tiny.sizes), layers_(subject.tiny.layers), tensors_(subject.tensors), kv_(layers_) {}

  /// The logits behind the next token.
  Row step(TokenId token) {
    const Row& embedding = tensors_.at("token_embd.weight");
    const auto at = embedding.begin() + static_cast<std::ptrdiff_t>(token) * sizes_.hidden;
    Row x(at, at + sizes_.hidden);
    for (std::uint32_t layer = 0; layer < layers_; ++layer) {
      blk_ = "blk." + std::to_string(layer) + ".";
      add(x, product(blk_ + "attn_output.weight", attention(layer, normed(x, blk_ + "attn_norm.weight"))));
      add(x, feed_forward(normed(x, blk_ + "ffn_norm.weight")));
    }
    ++position_;
    return product("output.weight", normed(x, "output_norm.weight"));
  }

 private:
  struct Cache {
    std::vector<Row> k, v;  ///< [positions]
  };

  static void add(Row& x, const Row& y) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }

  [[nodiscard]] Row product(const std::string& weight, const Row& x) const {
    const Row& w = tensors_.at(weight);
    Row y(w.size() / x.size());
    for (std::size_t i = 0; i < w.size(); ++i) y[i / x.size()] += w[i] * x[i % x.size()];
    return y;
  }

  [[nodiscard]] Row normed(Row x, const std::string& weight) const {
    constexpr double epsilon = 1e-5F;
    double squares = 0;
    for (const double value : x) squares += value * value;
    const double by = 1 / std::sqrt(squares / static_cast<double>(x.size()) + epsilon);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] *= by * tensors_.at(weight)[i];
    return x;
  }

  /// Neighbours in pairs.
  [[nodiscard]] Row rotated(Row x) const {
    for (std::size_t i = 0; i < x.size(); i += 2) {
      const double power = static_cast<double>(i % sizes_.head_dim) / sizes_.head_dim;
      const double angle = position_ * std::pow(10000.0, -power), c = std::cos(angle), s = std::sin(angle);
      const double a = x[i], b = x[i + 1];
      x[i] = a * c - b * s;
      x[i + 1] = a * s + b * c;
    }
    return x;
  }

  Row attention(std::uint32_t layer, const Row& x) {
    const std::uint32_t dim = sizes_.head_dim;
    const Row q = rotated(product(blk_ + "attn_q.weight", x));
    Cache& cache = kv_[layer];
    cache.k.push_back(rotated(product(blk_ + "attn_k.weight", x)));
    cache.v.push_back(product(blk_ + "attn_v.weight", x));
    Row out(q.size());
    for (std::uint32_t head = 0; head < sizes_.heads; ++head) {
      const std::uint32_t of_kv = head / (sizes_.heads / sizes_.kv_heads) * dim;
      double sum = 0;
      for (std::size_t p = 0; p < cache.k.size(); ++p) {
        double score = 0;
        for (std::uint32_t d = 0; d < dim; ++d) score += q[head * dim + d] * cache.k[p][of_kv + d];
        const double weight = std::exp(score / std::sqrt(static_cast<double>(dim)));
        sum += weight;
        for (std::uint32_t d = 0; d < dim; ++d) out[head * dim + d] += weight * cache.v[p][of_kv + d];
      }
      for (std::uint32_t d = 0; d < dim; ++d) out[head * dim + d] /= sum;
    }
    return out;
  }

  [[nodiscard]] Row feed_forward(const Row& x) const {
    Row gate = product(blk_ + "ffn_gate.weight", x);
    const Row up = product(blk_ + "ffn_up.weight", x);
    for (std::size_t i = 0; i < gate.size(); ++i) gate[i] *= up[i] / (1 + std::exp(-gate[i]));
    return product(blk_ + "ffn_down.weight", gate);
  }

  TinyModel::Sizes sizes_;
  std::uint32_t layers_;
  const std::map<std::string, Row>& tensors_;
  std::vector<Cache> kv_;
  std::string blk_;
  double position_ = 0;
};

Row log_softmax(Row x) {
  double sum = 0;
  for (const double value : x) sum += std::exp(value);
  for (double& value : x) value -= std::log(sum);
  return x;
}

/// The mean over some positions of KL(float64 || ours).
double mean_kl(const Subject& subject) {
  constexpr std::size_t positions = 80;
  std::vector<TokenId> ids(positions);
  for (std::size_t i = 0; i < positions; ++i) ids[i] = static_cast<TokenId>(i * 97 % 256);
  const MemoryFile file(subject.file);
  const Model model = Runtime().load(file.path(), {.threads = 1});
  Exact exact(subject);
  double kl = 0;
  std::size_t seen = 0;
  model.logits(ids, true, [&](std::uint32_t, std::span<const float> logits) {
    const Row p = log_softmax(exact.step(ids[seen++])), q = log_softmax(Row(logits.begin(), logits.end()));
    for (std::size_t i = 0; i < p.size(); ++i) kl += std::exp(p[i]) * (p[i] - q[i]);
  });
  REQUIRE(seen == positions);
  return kl / positions;
}

void check(Format format, const TinyModel::Sizes& sizes, double most) {
  const double kl = mean_kl(Subject(format, sizes));
  const std::string name(kernels::info(format).name);
  std::printf("tiny llama, hidden %u, head size %u, FFN %u, %s: mean KL %.2e\n", sizes.hidden, sizes.head_dim,
              sizes.ffn, name.c_str(), kl);
  INFO(name);
  CHECK(kl >= 0);
  CHECK(kl <= most);
}

TEST_CASE("float weights multiply F32 activations: all that is lost is what the KV cache rounds", "[golden]") {
  for (const Format format : {Format::f32, Format::f16, Format::bf16}) check(format, {}, 1e-5);
}

TEST_CASE("quantised weights multiply activations of 8 bits", "[golden]") {
  for (const Format format : {Format::q8_0, Format::q4_0}) check(format, {}, 2e-3);
}

TEST_CASE("float weights of any width, and heads of any multiple of 16", "[golden]") {
  check(Format::f16, {80, 8, 1, 48, 688, 272}, 1e-5);
  check(Format::bf16, {100, 4, 2, 80, 1000, 272}, 1e-5);
  check(Format::f32, {100, 9, 3, 112, 43, 271}, 1e-5);
  check(Format::f16, {32, 2, 1, 288, 3, 32003}, 1e-5);
}

}  // namespace
}  // namespace troupe::testing
