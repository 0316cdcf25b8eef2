#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kv_layout.hpp"
#include "runtime/model/description.hpp"
#include "runtime/model/known_keys.hpp"
#include "runtime/model/model_file.hpp"

namespace troupe::plugins {

/// Reads one model's numbers and remembers the first that is missing or out of bounds.
class Reader {
 public:
  Reader(const ModelFile& file, std::string_view prefix) : file_(file), prefix_(std::string(prefix) + ".") {}

  std::uint32_t integer(const char* name, std::uint64_t most, std::optional<std::uint64_t> fallback = {}) {
    const std::string key = prefix_ + name;
    const auto found = fallback ? file_.integer_or(key, *fallback) : file_.integer(key);
    if (found) return within(name, *found, most);
    fail(found.error());
    return 1;
  }

  /// A number of each layer: of a file that gives one for all, or one for each.
  std::vector<std::uint32_t> of_layers(const char* name, std::uint32_t layers, std::uint64_t most,
                                       std::optional<std::uint64_t> fallback = {}) {
    const MetaValue* value = file_.find(prefix_ + name);
    const auto* array = value == nullptr ? nullptr : std::get_if<MetaArray>(value);
    if (array == nullptr || array->kind != MetaArray::Kind::integers) {
      return std::vector<std::uint32_t>(layers, integer(name, most, fallback));
    }
    std::vector<std::uint32_t> found(layers, 1);
    if (array->count != layers) {
      fail({Code::bad_file, named(name) + " has " + std::to_string(array->count) + " elements for " +
                                std::to_string(layers) + " layers"});
      return found;
    }
    const std::vector<std::int64_t> numbers = array->integers();
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

  double number(const char* name, double fallback) {
    const auto found = file_.number_or(prefix_ + name, fallback);
    if (found) return *found;
    fail(found.error());
    return fallback;
  }

  bool truth(const char* name, bool fallback) {
    const auto found = file_.boolean_or(prefix_ + name, fallback);
    if (found) return *found;
    fail(found.error());
    return fallback;
  }

  double positive(const char* name, std::optional<double> fallback = {}) {
    const auto found = fallback ? file_.number_or(prefix_ + name, *fallback) : file_.number(prefix_ + name);
    if (!found) {
      fail(found.error());
      return 1.0;
    }
    const auto narrow = static_cast<float>(*found);  // as it is computed with
    if (narrow > 0.0F && std::isfinite(narrow)) return *found;
    fail({Code::bad_file, named(name) + " is " + shown_value(*found) + "; it must be positive, and a float"});
    return 1.0;
  }

  /// A factor that is none where the file has 0, or nothing.
  double factor(const char* name, double none = 1.0) { return number(name, 0.0) == 0.0 ? none : positive(name, none); }

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

  void must_have_no_experts() {
    const auto* count = file_.find(prefix_ + "expert_count");
    if (count == nullptr || shown_value(*count) == "0") return;
    fail({Code::unsupported,
          named("expert_count") + " is " + shown_value(*count) + "; mixtures of experts are not run yet"});
  }

  void fail(Error error) {
    if (!error_) error_ = std::move(error);
  }

  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  [[nodiscard]] const ModelFile& file() const { return file_; }
  [[nodiscard]] std::string key(const char* name) const { return prefix_ + name; }

 private:
  std::uint32_t within(const char* name, std::uint64_t value, std::uint64_t most) {
    if (value >= 1 && value <= most) return static_cast<std::uint32_t>(value);
    fail({Code::bad_file,
          named(name) + " is " + std::to_string(value) + "; it must be between 1 and " + std::to_string(most)});
    return 1;
  }
  [[nodiscard]] std::string named(const char* name) const { return file_.path + ": " + prefix_ + name; }

  const ModelFile& file_;
  std::string prefix_;
  std::optional<Error> error_;
};

}  // namespace troupe::plugins
