#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/formats/gguf.hpp"
#include "runtime/model/element_type.hpp"
#include "runtime/model/model_file.hpp"

namespace troupe::testing {

/// Writes GGUF files, right or wrong. All keys come before the first tensor.
class GgufWriter {
 public:
  /// A number in the file that says how long, how many, where or of which type something is.
  struct Field {
    std::string name;
    std::size_t at, width;
  };

  explicit GgufWriter(std::uint32_t version = 3) : version_(version) {}

  template <class T>
  GgufWriter& number(std::string_view key, ElementType type, T value) {
    begin_key(key, type);
    put(value);
    return *this;
  }

  GgufWriter& boolean(std::string_view key, bool value) {
    return number(key, ElementType::boolean, static_cast<std::uint8_t>(value));
  }

  GgufWriter& string(std::string_view key, std::string_view value) {
    begin_key(key, ElementType::string);
    put_string("string length", value);
    return *this;
  }

  GgufWriter& strings(std::string_view key, const std::vector<std::string>& values) {
    begin_array(key, ElementType::string, values.size());
    for (const std::string& value : values) put_string("element length", value);
    return *this;
  }

  template <class T>
  GgufWriter& numbers(std::string_view key, ElementType type, const std::vector<T>& values) {
    begin_array(key, type, values.size());
    for (const T value : values) put(value);
    return *this;
  }

  /// The dimensions as in the file, the contiguous one first.
  GgufWriter& tensor(std::string_view name, const std::vector<std::uint64_t>& dimensions, std::uint32_t type,
                     std::uint64_t offset) {
    ++tensors_;
    put_string("tensor name length", name);
    put_field("number of dimensions", static_cast<std::uint32_t>(dimensions.size()));
    for (const std::uint64_t dimension : dimensions) put_field("dimension", dimension);
    put_field("tensor type", type);
    put_field("tensor offset", offset);
    return *this;
  }

  /// The file, its data zeros.
  [[nodiscard]] std::string file(std::size_t data_bytes = 0, std::size_t alignment = 32) const {
    std::string out = "GGUF";
    append(out, version_);
    append(out, tensors_);
    append(out, keys_);
    out += body_;
    if (data_bytes > 0) out.resize((out.size() + alignment - 1) / alignment * alignment + data_bytes, '\0');
    return out;
  }

  [[nodiscard]] const std::vector<Field>& fields() const { return fields_; }
  [[nodiscard]] std::size_t header_bytes() const { return head + body_.size(); }

 private:
  static constexpr std::size_t head = 24;

  template <class T>
  static void append(std::string& out, T value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    out.append(bytes, sizeof value);
  }

  template <class T>
  void put(T value) {
    append(body_, value);
  }

  template <class T>
  void put_field(const char* name, T value) {
    fields_.push_back({name, head + body_.size(), sizeof value});
    put(value);
  }

  void put_string(const char* name, std::string_view value) {
    put_field(name, std::uint64_t{value.size()});
    body_ += value;
  }

  void begin_key(std::string_view key, ElementType type) {
    ++keys_;
    put_string("key length", key);
    put_field("value type", static_cast<std::uint32_t>(type));
  }

  void begin_array(std::string_view key, ElementType type, std::uint64_t count) {
    begin_key(key, ElementType::array);
    put_field("element type", static_cast<std::uint32_t>(type));
    put_field("array length", count);
  }

  std::uint32_t version_;
  std::uint64_t tensors_ = 0, keys_ = 0;
  std::string body_;
  std::vector<Field> fields_{{"version", 4, 4}, {"tensor count", 8, 8}, {"key count", 16, 8}};
};

/// The file with that data.
inline std::string with_data(const GgufWriter& writer, std::string_view data) {
  std::string bytes = writer.file(data.size());
  data.copy(bytes.data() + bytes.size() - data.size(), data.size());
  return bytes;
}

/// Bytes under a path, without a disk.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes) : descriptor_(::memfd_create("model", MFD_CLOEXEC)) {
    if (descriptor_ < 0) throw std::runtime_error("memfd_create failed");
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written <= 0) throw std::runtime_error("writing to memory failed");
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(descriptor_); }

  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

/// Opens the file of a path, mapped.
inline Result<ModelFile> open_gguf(const std::string& path) {
  const auto bytes = FileBytes::open(path, false);
  if (!bytes) return bytes.error();
  return plugins::gguf.open(*bytes);
}

/// Touches every byte that a model file hands out; what lies outside the mapping would end the test. Returns a sum of
/// them.
inline std::uint64_t read_everything(const ModelFile& file) {
  std::uint64_t sum = 0;
  const auto add_text = [&](std::string_view text) {
    for (const char c : text) sum += static_cast<unsigned char>(c);
  };
  for (const MetaEntry& entry : file.metadata) {
    add_text(entry.key);
    if (const auto* text = std::get_if<std::string_view>(&entry.value)) add_text(*text);
    if (const auto* array = std::get_if<MetaArray>(&entry.value)) {
      for (const std::string_view text : array->strings()) add_text(text);
      for (const std::int64_t number : array->integers()) sum += static_cast<std::uint64_t>(number);
      sum += array->floats().size();
    }
  }
  for (const FileTensor& tensor : file.tensors) {
    add_text(tensor.name);
    for (const std::byte byte : tensor.data) sum += static_cast<std::uint64_t>(byte);
  }
  return sum;
}

}  // namespace troupe::testing
