#include "plugins/architectures/common.hpp"

#include <cmath>

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
    if (*found < 1 || *found > most) {
      return fail({Code::bad_file, file_.path + ": " + key + " is " + std::to_string(*found) +
                                       "; it must be between 1 and " + std::to_string(most)});
    }
    return static_cast<std::uint32_t>(*found);
  }

  double positive(const char* name, double fallback) {
    const std::string key = prefix_ + name;
    const auto found = file_.number_or(key, fallback);
    if (!found) return fail(found.error());
    if (!(*found > 0.0) || !std::isfinite(*found)) {
      return fail(
          {Code::bad_file, file_.path + ": " + key + " is " + std::to_string(*found) + "; it must be positive"});
    }
    return *found;
  }

  void must_divide(const char* name, std::uint32_t value, std::uint32_t by, const char* what) {
    if (by != 0 && value % by == 0) return;
    fail({Code::unsupported, file_.path + ": " + prefix_ + name + " is " + std::to_string(value) +
                                 "; it must be a multiple of " + std::to_string(by) + what});
  }

  void must_equal(const char* name, std::uint64_t value, std::uint64_t other, const char* what) {
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

  std::uint32_t fail(Error error) {
    if (!error_) error_ = std::move(error);
    return 1;
  }

  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
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
  model.layers = read.integer("block_count", 4096);
  model.hidden = read.integer("embedding_length", 1U << 18);
  model.ffn = read.integer("feed_forward_length", 1U << 20);
  model.heads = read.integer("attention.head_count", 4096);
  model.kv_heads = read.integer("attention.head_count_kv", model.heads, model.heads);
  model.head_dim = read.integer("attention.key_length", 256, model.hidden / model.heads);
  model.context = read.integer("context_length", 1U << 24);
  model.norm_epsilon = static_cast<float>(read.positive("attention.layer_norm_rms_epsilon", 1e-5));
  model.rope_thetas = {read.positive("rope.freq_base", defaults.default_theta)};
  model.rope_style = defaults.rope_style;

  read.must_divide("embedding_length", model.hidden, 32, "");
  read.must_divide("feed_forward_length", model.ffn, 32, "");
  read.must_divide("attention.key_length", model.head_dim, 32, "");
  read.must_divide("attention.head_count", model.heads, model.kv_heads, ", the number of KV heads");
  read.must_equal("attention.value_length", read.integer("attention.value_length", 256, model.head_dim), model.head_dim,
                  "the key length");
  read.must_equal("rope.dimension_count", read.integer("rope.dimension_count", 256, model.head_dim), model.head_dim,
                  "the key length");
  read.must_have_leaves("attention.head_count", model.heads, model.attention_leaves());
  read.must_have_leaves("feed_forward_length", model.ffn, model.ffn_leaves());
  if (file.find(std::string(prefix) + ".expert_count") != nullptr) {
    const auto experts = file.integer_or(std::string(prefix) + ".expert_count", 0);
    read.must_equal("expert_count", experts ? *experts : 1, 0, "no experts");
  }
  if (file.find(std::string(prefix) + ".rope.scaling.type") != nullptr) {
    const auto scaling = file.string(std::string(prefix) + ".rope.scaling.type");
    if (!scaling || *scaling != "none") {
      read.fail({Code::unsupported, file.path + ": " + std::string(prefix) + ".rope.scaling.type is not supported"});
    }
  }
  if (read.error()) return *read.error();

  const FileTensor* embedding = file.tensor("token_embd.weight");
  if (embedding == nullptr) return Error(Code::bad_file, file.path + ": tensor token_embd.weight is missing");
  if (embedding->rows < 1 || embedding->rows > 1U << 24) {
    return Error(Code::bad_file, file.path + ": token_embd.weight has " + std::to_string(embedding->rows) +
                                     " rows; a vocabulary has between 1 and 16777216");
  }
  model.vocabulary = static_cast<std::uint32_t>(embedding->rows);
  model.head_tensor = file.tensor("output.weight") != nullptr ? "output.weight" : "token_embd.weight";
  return model;
}

}  // namespace troupe::plugins
