#include "runtime/model/adapter.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "runtime/model/known_keys.hpp"
#include "runtime/text/joined.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

constexpr std::uint64_t highest_rank = 65536;

constexpr KnownKey adapter_keys[] = {
    used("type"),
    used("lora.alpha"),
    harmless("lora.task_name", "for people"),
    harmless("lora.prompt_prefix", "for who writes prompts"),
};

struct Pair {
  const FileTensor *a = nullptr, *b = nullptr;
};

Result<void> check_header(const ModelFile& file, const ModelFile& model) {
  const auto architecture = file.string("general.architecture"), of_model = model.string("general.architecture");
  if (!architecture) return architecture.error();
  if (of_model && *architecture != *of_model) {
    return Error(Code::unsupported, quoted(file.path) + ": is an adapter for a " + quoted(*architecture) + " model; " +
                                        quoted(model.path) + " is a " + quoted(*of_model));
  }
  return check_keys(file, "adapter", adapter_keys);
}

std::string shape(const FileTensor& tensor) {
  const std::string planes = tensor.planes == 1 ? "" : std::to_string(tensor.planes) + " x ";
  return planes + std::to_string(tensor.rows) + " x " + std::to_string(tensor.columns);
}

/// Empty where the pair fits.
std::string misfit(const Pair& pair, const FileTensor& w, bool embedding) {
  for (const FileTensor* tensor : {pair.a, pair.b}) {
    const kernels::FormatInfo& format = kernels::info(tensor->format);
    if (format.block_columns > 1) return "is " + std::string(format.name) + ", not F32, F16 or BF16";
  }
  const std::uint64_t inner = embedding ? w.rows : w.columns, outer = embedding ? w.columns : w.rows;
  const std::uint64_t rank = pair.b->columns;
  const auto is = [](const FileTensor& tensor, std::uint64_t rows, std::uint64_t columns) {
    return tensor.planes == 1 && tensor.rows == rows && tensor.columns == columns;
  };
  const bool a_fits = embedding ? is(*pair.a, inner, rank) : is(*pair.a, rank, inner);
  if (a_fits && is(*pair.b, outer, rank) && w.planes == 1 && rank <= highest_rank) return {};
  const std::string a = embedding ? std::to_string(inner) + " x rank" : "rank x " + std::to_string(inner);
  return "is " + shape(*pair.a) + " and " + shape(*pair.b) + ", not " + a + " and " + std::to_string(outer) + " x rank";
}

std::string complaint(std::string_view name, const Pair& pair, const AdaptedModel& model) {
  if (pair.a == nullptr) return quoted(name) + " has no lora_a";
  if (pair.b == nullptr) return quoted(name) + " has no lora_b";
  const FileTensor* const w = model.file.tensor(name);
  if (w == nullptr) return quoted(name) + " is not in the model";
  if (!model.matrices.contains(name)) return quoted(name) + " is no matrix of the model's products";
  const std::string why = misfit(pair, *w, name == model.embedding);
  return why.empty() ? "" : quoted(name) + " " + why;
}

Result<float> factor_of(const ModelFile& file, float scale, float alpha, std::uint32_t rank) {
  const float factor = alpha == 0.0F ? scale : scale * alpha / static_cast<float>(rank);
  if (std::isfinite(factor)) return factor;
  return Error(Code::invalid_argument, quoted(file.path) + ": its scale " + shown_value(double{scale}) +
                                           " times its alpha " + shown_value(double{alpha}) + " is no finite number");
}

Error misfits(const ModelFile& file, const ModelFile& model, const std::vector<std::string>& complaints) {
  constexpr std::size_t most = 8;  // that one line can hold
  const auto shown = std::span(complaints).first(std::min(most, complaints.size()));
  const std::string more =
      complaints.size() > most ? ", and " + std::to_string(complaints.size() - most) + " more" : "";
  return {Code::bad_file, quoted(file.path) + ": is no adapter for " + quoted(model.path) + ": " +
                              joined(shown, [](const std::string& line) { return line; }) + more};
}

}  // namespace

const LowRank* Adapter::find(std::string_view matrix) const {
  const auto found = matrices.find(matrix);
  return found == matrices.end() ? nullptr : &found->second;
}

Result<Adapter> read_adapter(const ModelFile& file, const AdaptedModel& model, float scale) {
  if (const auto checked = check_header(file, model.file); !checked) return checked.error();
  const auto alpha = file.number_or("adapter.lora.alpha", 0.0);
  if (!alpha) return alpha.error();
  std::map<std::string_view, Pair> pairs;
  std::vector<std::string> complaints;
  for (const FileTensor& tensor : file.tensors) {
    constexpr std::size_t suffix = 7;
    const std::string_view name = tensor.name.substr(0, tensor.name.size() - std::min(suffix, tensor.name.size()));
    if (tensor.name.ends_with(".lora_a")) {
      pairs[name].a = &tensor;
    } else if (tensor.name.ends_with(".lora_b")) {
      pairs[name].b = &tensor;
    } else {
      complaints.push_back(quoted(tensor.name) + " is neither lora_a nor lora_b");
    }
  }
  Adapter adapter{file.path, {}};
  for (const auto& [name, pair] : pairs) {
    if (std::string line = complaint(name, pair, model); !line.empty()) {
      complaints.push_back(std::move(line));
      continue;
    }
    const auto rank = static_cast<std::uint32_t>(pair.b->columns);
    const auto factor = factor_of(file, scale, static_cast<float>(*alpha), rank);
    if (!factor) return factor.error();
    adapter.matrices.emplace(name, LowRank{*pair.a, *pair.b, rank, *factor});
  }
  if (!complaints.empty()) return misfits(file, model.file, complaints);
  if (!adapter.matrices.empty()) return adapter;
  return Error(Code::bad_file, quoted(file.path) + ": has no tensors, and so is no adapter; is it whole?");
}

}  // namespace troupe
