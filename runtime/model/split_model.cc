#include "runtime/model/split_model.hpp"

#include <unistd.h>

#include <algorithm>
#include <span>

#include "runtime/model/known_keys.hpp"
#include "runtime/text/joined.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

/// Which of a model's files one is.
struct Part {
  std::uint64_t number = 1, count = 1;
  bool operator==(const Part&) const = default;
};

std::string in_words(const Part& part) {
  return "part " + std::to_string(part.number) + " of " + std::to_string(part.count);
}

std::string suffix_of(const Part& part) {
  const auto padded = [](std::uint64_t number) {
    const std::string digits = std::to_string(number);
    return std::string(5 - std::min<std::size_t>(digits.size(), 5), '0') + digits;
  };
  return "-" + padded(part.number) + "-of-" + padded(part.count) + ".gguf";
}

/// The name of another part; nothing where this one's is not that of a part.
std::optional<std::string> name_of(const Part& other, const std::string& path, const Part& part) {
  const std::string suffix = suffix_of(part);
  if (!path.ends_with(suffix)) return std::nullopt;
  return path.substr(0, path.size() - suffix.size()) + suffix_of(other);
}

Result<Part> part_of(const ModelFile& file) {
  const auto count = file.integer_or("split.count", 1), number = file.integer_or("split.no", 0);
  if (!count) return count.error();
  if (!number) return number.error();
  if (*count <= 1) return Part{};
  if (*count <= UINT16_MAX && *number < *count) return Part{*number + 1, *count};
  return Error(Code::bad_file, quoted(file.path) + ": split.no is " + std::to_string(*number) + " and split.count " +
                                   std::to_string(*count) + "; expected at most 65535 parts, counted from 0");
}

/// What a later part says must be what the first does, but for its number.
Result<void> check_keys_agree(const ModelFile& model, const ModelFile& part) {
  for (const auto& [key, value] : part.metadata) {
    const MetaValue* const first = model.find(key);
    if (key == "split.no" || (first == nullptr && key.starts_with("general."))) continue;
    const std::string there = first == nullptr ? "missing" : shown_value(*first), here = shown_value(value);
    if (here == there) continue;
    return Error(Code::bad_file, quoted(part.path) + ": " + quoted(key) + " is " + here + ", in " + quoted(model.path) +
                                     " it is " + there + "; are they parts of one model?");
  }
  return {};
}

Result<void> append(ModelFile& model, const ModelFile& part, const Part& expected) {
  const auto said = part_of(part);
  if (!said) return said.error();
  if (*said != expected) {
    return Error(Code::bad_file, quoted(part.path) + ": says that it is " + in_words(*said) + "; expected " +
                                     in_words(expected) + ", which " + quoted(model.path) + " begins with");
  }
  if (const auto agree = check_keys_agree(model, part); !agree) return agree.error();
  model.tensors.insert(model.tensors.end(), part.tensors.begin(), part.tensors.end());
  return {};
}

Result<void> check_tensors(const ModelFile& model) {
  std::vector<std::string_view> names;
  for (const FileTensor& tensor : model.tensors) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end()) {
    return Error(Code::bad_file, quoted(model.path) + ": tensor " + quoted(*twice) +
                                     " is in two of the model's parts; expected every tensor once");
  }
  const auto count = model.integer("split.tensors.count");
  if (!count) return count.error();
  if (*count == names.size()) return {};
  return Error(Code::bad_file, quoted(model.path) + ": the model's parts have " + std::to_string(names.size()) +
                                   " tensors in all; split.tensors.count is " + std::to_string(*count));
}

}  // namespace

Result<std::uint32_t> parts_of(const ModelFile& file) {
  const auto part = part_of(file);
  if (!part) return part.error();
  if (part->number == 1) return static_cast<std::uint32_t>(part->count);
  const auto first = name_of({1, part->count}, file.path, *part);
  return Error(Code::unsupported, quoted(file.path) + ": is " + in_words(*part) + " of a split model; open the first" +
                                      (first ? ", " + quoted(*first) : " part"));
}

Result<ModelFile> open_model(const FileFormat& format, const std::shared_ptr<const FileBytes>& first,
                             const OpenParts& others) {
  auto model = format.open(first);
  if (!model) return model.error();
  const auto count = parts_of(*model);
  if (!count) return count.error();
  if (*count == 1) return model;
  const auto opened = others(*count);
  if (!opened) return opened.error();
  for (std::uint64_t number = 2; const auto& bytes : *opened) {
    const auto part = format.open(bytes);
    if (!part) return part.error();
    if (const auto appended = append(*model, *part, {number++, *count}); !appended) return appended.error();
  }
  if (const auto checked = check_tensors(*model); !checked) return checked.error();
  model->description += ", " + std::to_string(*count) + " parts";
  model->bytes = std::make_shared<const std::pair<std::shared_ptr<const void>, OtherParts>>(model->bytes, *opened);
  return model;
}

Result<OtherParts> open_parts_beside(const std::string& first, std::uint32_t count, std::optional<bool> copy) {
  constexpr std::size_t most = 8;  // that one line can hold
  std::vector<std::string> paths, missing;
  for (std::uint32_t number = 2; number <= count; ++number) {
    const auto path = name_of({number, count}, first, {1, count});
    if (!path) {
      return Error(Code::unsupported, quoted(first) + ": is " + in_words({1, count}) +
                                          " of a split model, whose other parts are found by their names; expected one "
                                          "that ends in \"" +
                                          suffix_of({1, count}) + "\"");
    }
    (::access(path->c_str(), F_OK) == 0 ? paths : missing).push_back(*path);
  }
  if (!missing.empty()) {
    const std::string more = missing.size() > most ? " and " + std::to_string(missing.size() - most) + " more" : "";
    const auto shown = std::span(missing).first(std::min(most, missing.size()));
    return Error(Code::not_found, quoted(first) + ": of the model's " + std::to_string(count) +
                                      " parts, which must lie side by side, these are missing: " +
                                      joined(shown, [](const std::string& path) { return quoted(path); }) + more);
  }
  OtherParts parts;
  for (const std::string& path : paths) {
    auto part = FileBytes::open(path, copy);
    if (!part) return part.error();
    parts.push_back(std::move(*part));
  }
  return parts;
}

}  // namespace troupe
