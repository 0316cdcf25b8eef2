#include "plugins/formats/gguf.hpp"

#include <algorithm>
#include <bit>
#include <numeric>

#include "plugins/formats/gguf_value.hpp"
#include "runtime/model/checked.hpp"
#include "runtime/model/file_kind.hpp"
#include "runtime/text/joined.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe::plugins {
namespace {

constexpr std::uint64_t most_entries = 1U << 20;  // of keys and of tensors; the largest models have some thousands
constexpr std::uint64_t longest_name = 65535;     // in bytes: the specification's limit for keys
constexpr std::uint64_t least_key_bytes = 8 + 1 + 4 + 1;             // name, type, value
constexpr std::uint64_t least_tensor_bytes = 8 + 1 + 4 + 8 + 4 + 8;  // name, dimensions, type, offset

/// Where a tensor's data is said to be; it becomes a view once it is known where the data begins.
struct Placement {
  std::uint64_t offset;  // from the start of the data
  std::uint64_t bytes;
  std::uint64_t field_at;  // where in the file the offset stands
};

struct Counts {
  std::uint64_t tensors, keys;
};

std::string type_in_words(std::uint32_t type) {
  const std::string number = std::to_string(type);
  const std::string_view name = kernels::name_of_gguf_type(type);
  return name.empty() ? number : std::string(name) + " (" + number + ")";
}

std::string known_types() {
  return joined(kernels::all_formats(), [](const kernels::FormatInfo& info) { return type_in_words(info.gguf_type); });
}

class GgufReader {
 public:
  explicit GgufReader(const std::shared_ptr<const FileBytes>& bytes)
      : in_(bytes->path(), bytes->bytes()), file_(bytes->bytes()) {
    model_.path = on_one_line(bytes->path());
    model_.bytes = bytes;
  }

  Result<ModelFile> read(std::optional<Error> (*other)(const ModelFile& file));
  Result<ModelFile> read_keys_alone();

 private:
  Counts read_header();
  void check_version(std::uint32_t version);
  std::string_view read_name();
  void read_keys(std::uint64_t count);
  std::uint64_t alignment();
  std::uint64_t value_at(std::string_view key) const;
  std::uint64_t byte_of(std::string_view view) const;
  void read_tensors(std::uint64_t count, std::uint64_t alignment);
  void read_tensor(std::uint64_t alignment);
  void read_shape(FileTensor& tensor);
  void place(std::uint64_t alignment);
  void check_overlaps();
  template <class List, class Name>
  void check_distinct(const char* what, const List& list, Name name);

  GgufCursor in_;
  std::span<const std::byte> file_;
  ModelFile model_;
  std::vector<Placement> placements_;
};

Counts GgufReader::read_header() {
  const auto magic = in_.take("the format's mark", gguf.magic.size());
  if (!magic.empty() &&
      !std::equal(magic.begin(), magic.end(), reinterpret_cast<const std::byte*>(gguf.magic.data()))) {
    const std::string_view found(reinterpret_cast<const char*>(magic.data()), magic.size());
    in_.fail(Code::bad_file, 0, "the format's mark", quoted(found), quoted(gguf.magic));
  }
  check_version(in_.number<std::uint32_t>("version"));
  const std::uint64_t tensors = in_.count("number of tensors", least_tensor_bytes, most_entries);
  const std::uint64_t keys = in_.count("number of keys", least_key_bytes, most_entries);
  return {tensors, keys};
}

void GgufReader::check_version(std::uint32_t version) {
  constexpr std::uint64_t at = 4;
  const std::uint32_t swapped = __builtin_bswap32(version);
  if (swapped >= 1 && swapped <= 3) {
    const std::string found = "version " + std::to_string(swapped) + " with big-endian numbers";
    return in_.fail(Code::unsupported, at, "version", found, "a little-endian file");
  }
  if (version != 2 && version != 3) in_.fail(Code::unsupported, at, "version", std::to_string(version), "2 or 3");
  model_.description = "GGUF v" + std::to_string(version);
}

std::string_view GgufReader::read_name() {
  const std::uint64_t start = in_.at();
  const std::string_view name = in_.string("name");
  if (name.empty() || name.size() > longest_name) {
    in_.fail(Code::bad_file, start, "name", std::to_string(name.size()) + " bytes",
             "1 to " + std::to_string(longest_name) + " bytes");
  }
  return name;
}

void GgufReader::read_keys(std::uint64_t count) {
  for (std::uint64_t i = 0; i < count && !in_.failed(); ++i) {
    const std::string_view key = read_name();
    in_.enter("key", key);
    model_.metadata.push_back({key, read_gguf_value(in_)});
    in_.enter(nullptr, {});
  }
  check_distinct("key", model_.metadata, [](const MetaEntry& entry) { return entry.key; });
}

std::uint64_t GgufReader::alignment() {
  constexpr std::string_view key = "general.alignment";
  constexpr std::uint64_t usual = 32;
  const MetaValue* value = model_.find(key);
  if (value == nullptr || in_.failed()) return usual;
  const auto* number = std::get_if<std::uint64_t>(value);
  if (number != nullptr && std::has_single_bit(*number)) return *number;
  const std::string found = number == nullptr ? "something else than an unsigned integer" : std::to_string(*number);
  in_.enter("key", key);
  in_.fail(Code::bad_file, value_at(key), "value", found, "a power of two");
  return usual;
}

/// The byte at which the value of a key begins, which is behind its name and the type of the value.
std::uint64_t GgufReader::value_at(std::string_view key) const {
  const auto entry =
      std::find_if(model_.metadata.begin(), model_.metadata.end(), [&](const MetaEntry& e) { return e.key == key; });
  return byte_of(entry->key) + key.size() + sizeof(ElementType);
}

std::uint64_t GgufReader::byte_of(std::string_view view) const {
  return static_cast<std::uint64_t>(reinterpret_cast<const std::byte*>(view.data()) - file_.data());
}

void GgufReader::read_tensors(std::uint64_t count, std::uint64_t alignment) {
  for (std::uint64_t i = 0; i < count && !in_.failed(); ++i) {
    const std::string_view name = read_name();
    in_.enter("tensor", name);
    model_.tensors.push_back({name, {}, 1, 1, {}});
    read_tensor(alignment);
    in_.enter(nullptr, {});
  }
  check_distinct("tensor", model_.tensors, [](const FileTensor& tensor) { return tensor.name; });
}

void GgufReader::read_tensor(std::uint64_t alignment) {
  FileTensor& tensor = model_.tensors.back();
  const std::uint64_t start = in_.at();
  read_shape(tensor);
  const std::uint64_t type_at = in_.at();
  const auto type = in_.number<std::uint32_t>("type");
  const auto format = kernels::format_of_gguf_type(type);
  if (!format) {
    return in_.fail(Code::unsupported, type_at, "type", type_in_words(type), known_types());
  }
  tensor.format = *format;
  const kernels::FormatInfo& info = kernels::info(*format);
  if (tensor.columns % info.block_columns != 0) {
    return in_.fail(Code::bad_file, start, "columns", std::to_string(tensor.columns),
                    "a multiple of " + std::to_string(info.block_columns) + ", the block of " + std::string(info.name));
  }
  const auto row = checked_mul(tensor.columns / info.block_columns, info.block_bytes);
  const auto plane = row ? checked_mul(*row, tensor.rows) : std::nullopt;
  const auto bytes = plane ? checked_mul(*plane, tensor.planes) : std::nullopt;
  if (!bytes) return in_.fail(Code::bad_file, start, "size", "more than 2^64 bytes", "a tensor inside the file");
  const std::uint64_t field_at = in_.at();
  const auto offset = in_.number<std::uint64_t>("offset");
  if (offset % alignment != 0) {
    in_.fail(Code::bad_file, field_at, "offset", std::to_string(offset), "a multiple of " + std::to_string(alignment));
  }
  placements_.push_back({offset, *bytes, field_at});
}

/// GGUF writes the dimension that is contiguous first.
void GgufReader::read_shape(FileTensor& tensor) {
  const std::uint64_t start = in_.at();
  const auto dimensions = in_.number<std::uint32_t>("number of dimensions");
  if (dimensions < 1 || dimensions > 4) {
    return in_.fail(Code::bad_file, start, "number of dimensions", std::to_string(dimensions), "1 to 4");
  }
  std::uint64_t* const sizes[] = {&tensor.columns, &tensor.rows, &tensor.planes};
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    const std::uint64_t at = in_.at();
    const auto size = in_.number<std::uint64_t>("dimension");
    if (size == 0) in_.fail(Code::bad_file, at, "dimension", "0", "at least 1");
    if (i < std::size(sizes)) {
      *sizes[i] = size;
    } else if (size != 1) {
      in_.fail(Code::unsupported, at, "dimension " + std::to_string(i + 1), std::to_string(size),
               "1: at most three dimensions");
    }
  }
}

void GgufReader::place(std::uint64_t alignment) {
  if (placements_.empty()) return;
  const auto start = checked_round_up(in_.at(), alignment);
  const std::uint64_t room = start && *start < file_.size() ? file_.size() - *start : 0;
  for (std::size_t i = 0; i < placements_.size(); ++i) {
    const auto& [offset, bytes, field_at] = placements_[i];
    FileTensor& tensor = model_.tensors[i];
    if (offset > room || bytes > room - offset) {
      in_.enter("tensor", tensor.name);
      return in_.fail(Code::bad_file, field_at, "offset",
                      std::to_string(offset) + " and " + std::to_string(bytes) + " bytes",
                      "both within the " + std::to_string(room) + " bytes of data in the file; is it cut short?");
    }
    tensor.data = file_.subspan(*start + offset, bytes);
  }
  check_overlaps();
}

void GgufReader::check_overlaps() {
  std::vector<std::size_t> order(placements_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return placements_[a].offset < placements_[b].offset; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const Placement& before = placements_[order[i - 1]];
    const Placement& after = placements_[order[i]];
    if (after.offset - before.offset >= before.bytes) continue;
    in_.enter("tensor", model_.tensors[order[i]].name);
    return in_.fail(Code::bad_file, after.field_at, "offset", std::to_string(after.offset),
                    "at least " + std::to_string(before.offset + before.bytes) + ", where tensor " +
                        quoted(model_.tensors[order[i - 1]].name) + " ends");
  }
}

template <class List, class Name>
void GgufReader::check_distinct(const char* what, const List& list, Name name) {
  std::vector<std::string_view> names;
  names.reserve(list.size());
  for (const auto& entry : list) names.push_back(name(entry));
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice == names.end()) return;
  in_.enter(what, *twice);
  in_.fail(Code::bad_file, std::max(byte_of(twice[0]), byte_of(twice[1])), "name", "it for the second time",
           "every name once");
}

/// `other`: what the file is where it is not what is wanted.
Result<ModelFile> GgufReader::read(std::optional<Error> (*other)(const ModelFile& file)) {
  const Counts counts = read_header();
  read_keys(counts.keys);
  const std::uint64_t align = alignment();
  if (in_.failed()) return in_.error();
  // Before the tensors, which may be of types and shapes that no model here has.
  if (auto what = other(model_)) return *what;
  read_tensors(counts.tensors, align);
  if (!in_.failed()) place(align);
  if (in_.failed()) return in_.error();
  return std::move(model_);
}

Result<ModelFile> GgufReader::read_keys_alone() {
  read_keys(read_header().keys);
  if (in_.failed()) return in_.error();
  return std::move(model_);
}

Result<ModelFile> open(const std::shared_ptr<const FileBytes>& bytes) {
  return GgufReader(bytes).read(other_than_model);
}
Result<ModelFile> open_adapter(const std::shared_ptr<const FileBytes>& bytes) {
  return GgufReader(bytes).read(other_than_adapter);
}
Result<ModelFile> open_keys(const std::shared_ptr<const FileBytes>& bytes) {
  return GgufReader(bytes).read_keys_alone();
}

}  // namespace

const FileFormat gguf{"GGUF", "GGUF", open, open_keys, open_adapter};

}  // namespace troupe::plugins
