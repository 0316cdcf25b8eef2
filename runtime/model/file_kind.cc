#include "runtime/model/file_kind.hpp"

#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

/// Empty where the key is missing or no text.
std::string_view text_or_nothing(const ModelFile& file, std::string_view key) {
  const MetaValue* value = file.find(key);
  const auto* text = value == nullptr ? nullptr : std::get_if<std::string_view>(value);
  return text == nullptr ? std::string_view() : *text;
}

Error unsupported(const ModelFile& file, const std::string& what) {
  return {Code::unsupported, quoted(file.path) + ": " + what};
}

Error adapter(const ModelFile& file) {
  const std::string_view kind = text_or_nothing(file, "adapter.type"),
                         architecture = text_or_nothing(file, "general.architecture");
  const bool lora = kind == "lora";
  const std::string base = architecture.empty() ? "" : " for a " + quoted(architecture) + " model";
  return unsupported(file, "is " + std::string(lora ? "a LoRA" : "an") + " adapter" + base +
                               ", no whole model; merge it into that model (llama-export-lora), and open the result");
}

/// A file that says "split.count" is 1 is whole.
std::optional<Error> part_of_split(const ModelFile& file) {
  const auto count = file.integer_or("split.count", 1), number = file.integer_or("split.no", 0);
  if (!count) return count.error();
  if (!number) return number.error();
  if (*count <= 1) return {};
  return unsupported(file, "is part " + std::to_string(*number + 1) + " of " + std::to_string(*count) +
                               " of a split model; join the parts (llama-gguf-split --merge FIRST-PART WHOLE), and "
                               "open the result");
}

}  // namespace

std::optional<Error> other_than_model(const ModelFile& file) {
  const std::string_view type = text_or_nothing(file, "general.type"),
                         architecture = text_or_nothing(file, "general.architecture");
  if (type == "adapter" || file.find("adapter.type") != nullptr) return adapter(file);
  if (type == "mmproj" || architecture == "clip") {
    return unsupported(file,
                       "is a projector, which turns images or sound into embeddings, no language model; open the "
                       "model that it belongs to");
  }
  if (architecture == "controlvector") {
    return unsupported(file, "is a control vector, no model; open the model that it steers");
  }
  if (type == "imatrix" || file.find("imatrix.chunk_count") != nullptr) {
    return unsupported(file, "is an importance matrix, made to quantise a model, and no model; open the model itself");
  }
  return part_of_split(file);
}

Error without_tensors(const ModelFile& file) {
  if (file.find("tokenizer.ggml.model") == nullptr) {
    return {Code::bad_file, quoted(file.path) + ": has no tensors, and so is no model; is it whole?"};
  }
  return unsupported(file, "is a vocabulary without weights, no model; open the model that it belongs to");
}

}  // namespace troupe
