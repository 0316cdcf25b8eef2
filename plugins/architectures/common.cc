#include "plugins/architectures/common.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/kv_layout.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe::plugins {
namespace {

/// Reads one model's numbers and remembers the first that is missing or out of bounds.
class Reader {
 public:
  Reader(const ModelFile& file, std::string_view prefix) : file_(file), prefix_(std::string(prefix) + ".") {}

  std::uint32_t integer(const char* name, std::uint64_t most, std::optional<std::uint64_t> fallback = {}) {
    const std::string key = prefix_ + name;
    const auto found = fallback ? file_.integer_or(key, *fallback) : file_.integer(key);
    if (!found) return fail(found.error());
    return within(name, *found, most);
  }

  /// A number of each layer: of a file that gives one for all, or one for each.
  std::vector<std::uint32_t> of_layers(const char* name, std::uint32_t layers, std::uint64_t most,
                                       std::optional<std::uint64_t> fallback = {}) {
    const MetaValue* value = file_.find(prefix_ + name);
    const auto* array = value == nullptr ? nullptr : std::get_if<MetaArray>(value);
    if (array == nullptr || array->kind != MetaArray::Kind::integers) {
      return std::vector<std::uint32_t>(layers, integer(name, most, fallback));
    }
    const std::vector<std::int64_t> numbers = array->integers();
    std::vector<std::uint32_t> found(layers, 1);
    if (numbers.size() != layers) {
      fail({Code::bad_file, named(name) + " has " + std::to_string(numbers.size()) + " elements for " +
                                std::to_string(layers) + " layers"});
      return found;
    }
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      if (numbers[layer] < 0) {
        fail({Code::bad_file, named(name) + " is " + shown_value(*value) + "; it must be positive"});
      } else {
        found[layer] = within(name, static_cast<std::uint64_t>(numbers[layer]), most);
      }
    }
    return found;
  }

  /// As many as heads where the file says nothing; never more.
  std::vector<std::uint32_t> kv_heads(std::uint32_t layers, const std::vector<std::uint32_t>& heads) {
    if (file_.find(prefix_ + "attention.head_count_kv") == nullptr) return heads;
    auto found = of_layers("attention.head_count_kv", layers, 4096);
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      found[layer] = within("attention.head_count_kv", found[layer], heads[layer]);
    }
    return found;
  }

  double positive(const char* name, double fallback) {
    const std::string key = prefix_ + name;
    const auto found = file_.number_or(key, fallback);
    if (!found) return fail(found.error());
    const auto narrow = static_cast<float>(*found);  // as it is computed with
    if (!(narrow > 0.0F) || !std::isfinite(narrow)) {
      return fail({Code::bad_file, named(name) + " is " + shown_value(*found) + "; it must be positive, and a float"});
    }
    return *found;
  }

  void must_divide(const char* name, std::uint32_t value, std::uint32_t by, const char* what) {
    if (by != 0 && value % by == 0) return;
    fail({Code::unsupported, file_.path + ": " + prefix_ + name + " is " + std::to_string(value) +
                                 "; it must be a multiple of " + std::to_string(by) + what});
  }

  void must_equal_if_given(const char* name, std::uint32_t other, const char* what) {
    const std::uint32_t value = integer(name, kernels::max_head_dim, other);
    if (value == other) return;
    fail({Code::unsupported, file_.path + ": " + prefix_ + name + " is " + std::to_string(value) + "; only " +
                                 std::to_string(other) + " (" + what + ") is supported"});
  }

  void must_have_leaves(const char* name, std::uint32_t value, Leaves leaves) {
    if (leaves.count <= most_leaves) return;
    fail({Code::unsupported, file_.path + ": " + prefix_ + name + " is " + std::to_string(value) + "; its " +
                                 std::to_string(leaves.count) + " parts cannot be cut into 8 to " +
                                 std::to_string(most_leaves) + " equal leaves, so that sums could leave 64 bits"});
  }

  /// A factor without a type means linear scaling, and linear scaling by 1 is none: see transformer_keys.
  void must_not_scale() {
    const auto type = file_.find(prefix_ + "rope.scaling.type") == nullptr
                          ? Result<std::string_view>("none")
                          : file_.string(prefix_ + "rope.scaling.type");
    if (!type) return void(fail(type.error()));
    const MetaValue* factor = file_.find(prefix_ + "rope.scaling.factor");
    const bool by_one = factor == nullptr || shown_value(*factor) == "1";
    if (*type == "none" || (*type == "linear" && by_one)) return;
    std::vector<std::string> keys{prefix_ + "rope.scaling.type"};
    std::string line = file_.path + ": " + keys[0] + " " + quoted(*type) + " is not supported; known is none";
    if (factor != nullptr && !by_one) {
      keys.push_back(prefix_ + "rope.scaling.factor");
      line = file_.path + ": " + keys[0] + " " + quoted(*type) + " with " + keys[1] + " " + shown_value(*factor) +
             " is not supported; known is none";
    }
    fail({Code::unsupported, line + "; " + how_to_ignore(keys)});
  }

  std::uint32_t fail(Error error) {
    if (!error_) error_ = std::move(error);
    return 1;
  }

  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  std::uint32_t within(const char* name, std::uint64_t value, std::uint64_t most) {
    if (value >= 1 && value <= most) return static_cast<std::uint32_t>(value);
    return fail({Code::bad_file,
                 named(name) + " is " + std::to_string(value) + "; it must be between 1 and " + std::to_string(most)});
  }
  [[nodiscard]] std::string named(const char* name) const { return file_.path + ": " + prefix_ + name; }

  const ModelFile& file_;
  std::string prefix_;
  std::optional<Error> error_;
};

}  // namespace

Result<ModelDescription> describe_transformer(const ModelFile& file, std::string_view prefix,
                                              TransformerDefaults defaults) {
  Reader read(file, prefix);
  ModelDescription model;
  model.architecture = prefix;
  const std::uint32_t layers = read.integer("block_count", 4096);
  model.hidden = read.integer("embedding_length", 1U << 18);
  const auto ffn = read.of_layers("feed_forward_length", layers, 1U << 20);
  const auto heads = read.of_layers("attention.head_count", layers, 4096);
  const auto kv_heads = read.kv_heads(layers, heads);
  const std::uint32_t head_dim =
      read.integer("attention.key_length", kernels::max_head_dim, model.hidden / heads.front());
  model.context = read.integer("context_length", 1U << 24);
  model.norm_epsilon = static_cast<float>(read.positive("attention.layer_norm_rms_epsilon", 1e-5));
  model.rotations = {{defaults.rope_style, head_dim, read.positive("rope.freq_base", defaults.default_theta)}};
  model.attention_scale = 1.0F / std::sqrt(static_cast<float>(head_dim));

  read.must_divide("attention.key_length", head_dim, kernels::head_dim_unit, "");
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    const LayerShape shape{heads[layer], kv_heads[layer], head_dim, ffn[layer]};
    read.must_divide("attention.head_count", shape.heads, shape.kv_heads, ", the number of KV heads");
    read.must_have_leaves("attention.head_count", shape.heads, shape.attention_leaves());
    read.must_have_leaves("feed_forward_length", shape.ffn, shape.ffn_leaves());
    model.layers.push_back(shape);
  }
  for (const char* name : {"attention.value_length", "attention.key_length_swa", "attention.value_length_swa",
                           "rope.dimension_count", "rope.dimension_count_swa"}) {
    read.must_equal_if_given(name, head_dim, "the key length");
  }
  read.must_not_scale();
  if (read.error()) return *read.error();

  const FileTensor* embedding = file.tensor("token_embd.weight");
  if (embedding == nullptr) return Error(Code::bad_file, file.path + ": tensor token_embd.weight is missing");
  if (embedding->rows < 1 || embedding->rows > 1U << 24) {
    return Error(Code::bad_file, file.path + ": token_embd.weight has " + std::to_string(embedding->rows) +
                                     " rows; a vocabulary has between 1 and 16777216");
  }
  model.vocabulary = static_cast<std::uint32_t>(embedding->rows);
  model.ends = {"token_embd.weight", "output_norm.weight",
                file.tensor("output.weight") != nullptr ? "output.weight" : "token_embd.weight"};
  return model;
}

}  // namespace troupe::plugins
