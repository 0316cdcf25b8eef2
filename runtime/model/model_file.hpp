#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kernels/format.hpp"
#include "runtime/model/file_bytes.hpp"
#include "troupe/error.hpp"

namespace troupe {

/// Matrices of one shape, mostly a single one (a vector: rows == 1), in a model file; a view into the file's bytes.
struct FileTensor {
  std::string_view name;
  kernels::Format format;
  std::uint64_t rows, columns;  ///< [planes][rows][columns], columns contiguous
  std::span<const std::byte> data;
  std::uint64_t planes = 1;
};

/// An array in a model file's metadata, left where it is in the file: integers widen, strings are views.
class MetaArray {
 public:
  enum class Kind : std::uint8_t { integers, floats, bools, strings, other };
  Kind kind = Kind::other;
  std::uint64_t count = 0;
  std::span<const std::byte> raw;  ///< as the file has it
  std::uint32_t file_type = 0;     ///< the file format's own element type

  /// The first of its elements, `most` at most.
  [[nodiscard]] MetaArray first(std::uint64_t most) const {
    MetaArray some = *this;
    some.count = std::min(count, most);
    return some;
  }

  /// Empty where the kind is another one.
  [[nodiscard]] std::vector<std::string_view> strings() const;
  [[nodiscard]] std::vector<std::int64_t> integers() const;
  [[nodiscard]] std::vector<float> floats() const;
  [[nodiscard]] std::vector<bool> truths() const;  ///< of booleans, or of integers that stand for them
};

using MetaValue = std::variant<std::uint64_t, std::int64_t, double, bool, std::string_view, MetaArray>;

struct MetaEntry {
  std::string_view key;
  MetaValue value;
};

/// A model file, open and checked: every tensor lies inside the file, every string and array too.
/// Views stay valid as long as the object. Immutable; any thread.
struct ModelFile {
  std::string path;                      ///< as messages name it: on one line
  std::string description;               ///< "GGUF v3"
  std::vector<MetaEntry> metadata;       ///< in the file's order
  std::vector<FileTensor> tensors;       ///< in the file's order
  std::shared_ptr<const void> bytes;     ///< that the views look into
  std::vector<std::uint32_t> by_name{};  ///< indices of `tensors`; see sort_names()

  [[nodiscard]] const MetaValue* find(std::string_view key) const;
  [[nodiscard]] const FileTensor* tensor(std::string_view name) const;

  /// So that tensor() need not look at each one. Once all of them are there.
  void sort_names();

  /// The typed value under a key; an error that names the key and the type where it is missing or of another type.
  [[nodiscard]] Result<std::uint64_t> integer(std::string_view key) const;
  [[nodiscard]] Result<double> number(std::string_view key) const;
  [[nodiscard]] Result<std::string_view> string(std::string_view key) const;

  /// The value, or the fallback where the key is missing; still an error where it is of another type.
  [[nodiscard]] Result<std::uint64_t> integer_or(std::string_view key, std::uint64_t fallback) const;
  [[nodiscard]] Result<double> number_or(std::string_view key, double fallback) const;
  [[nodiscard]] Result<bool> boolean_or(std::string_view key, bool fallback) const;
};

/// A reader of model files, found by the first bytes of a file.
struct FileFormat {
  std::string_view name;
  std::string_view magic;
  Result<ModelFile> (*open)(const std::shared_ptr<const FileBytes>& bytes);

  /// The same without looking at the tensors, which may be of any kind, or at what the file is; the result has none.
  /// Null where the format has no such way.
  Result<ModelFile> (*open_keys)(const std::shared_ptr<const FileBytes>& bytes) = nullptr;

  /// The same as open() for a LoRA adapter, and no model. Null where the format has none.
  Result<ModelFile> (*open_adapter)(const std::shared_ptr<const FileBytes>& bytes) = nullptr;
};

}  // namespace troupe
