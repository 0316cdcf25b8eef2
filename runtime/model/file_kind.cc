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
  const std::string base = architecture.empty() ? "" : " for a " + quoted(architecture) + " model";
  if (kind == "lora") {
    return unsupported(file, "is a LoRA adapter" + base +
                                 ", no whole model; open that model, and this with it (--lora, LoadOptions::adapters)");
  }
  return unsupported(file, "is an adapter" + base + ", no whole model; merge it into that model, and open the result");
}

bool is_adapter(const ModelFile& file) {
  return text_or_nothing(file, "general.type") == "adapter" || file.find("adapter.type") != nullptr;
}

}  // namespace

std::optional<Error> other_than_model(const ModelFile& file) {
  const std::string_view type = text_or_nothing(file, "general.type"),
                         architecture = text_or_nothing(file, "general.architecture");
  if (is_adapter(file)) return adapter(file);
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
  return {};
}

std::optional<Error> other_than_adapter(const ModelFile& file) {
  const std::string_view kind = text_or_nothing(file, "adapter.type");
  if (is_adapter(file) && kind == "lora") return {};
  if (is_adapter(file)) return unsupported(file, "is an adapter of type " + quoted(kind) + "; known is \"lora\"");
  if (auto other = other_than_model(file)) return other;
  return unsupported(file, "is no adapter: \"general.type\" is " + quoted(text_or_nothing(file, "general.type")) +
                               "; expected \"adapter\"");
}

Error without_tensors(const ModelFile& file) {
  if (file.find("tokenizer.ggml.model") == nullptr) {
    return {Code::bad_file, quoted(file.path) + ": has no tensors, and so is no model; is it whole?"};
  }
  return unsupported(file, "is a vocabulary without weights, no model; open the model that it belongs to");
}

}  // namespace troupe
