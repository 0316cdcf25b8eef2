#include "plugins/architectures/windows.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "runtime/model/known_keys.hpp"

namespace troupe::plugins {
namespace {

/// Which layers are local: the pattern says it of each, or after how many one is global (0: none is).
Result<std::vector<bool>> local_layers(const ModelFile& file, const std::string& key, std::uint64_t usual_period,
                                       std::uint32_t layers) {
  std::vector<bool> local(layers);
  const MetaValue* value = file.find(key);
  const auto* array = value == nullptr ? nullptr : std::get_if<MetaArray>(value);
  if (array == nullptr) {
    const auto period = file.integer_or(key, usual_period);
    if (!period) return period.error();
    for (std::uint32_t i = 0; i < layers; ++i) local[i] = *period == 0 || (i + 1) % *period != 0;
    return local;
  }
  const auto truths = array->first(layers).truths();
  if (array->count != layers || truths.size() != layers) {
    return Error(Code::bad_file, file.path + ": " + key + " is " + shown_value(*value) +
                                     "; expected a number, or a boolean for each of the " + std::to_string(layers) +
                                     " layers");
  }
  return truths;
}

}  // namespace

Result<void> read_windows(const ModelFile& file, std::string_view prefix, WindowDefaults defaults,
                          ModelDescription& model) {
  const std::string key = std::string(prefix) + ".attention.sliding_window";
  const auto given = file.integer_or(key, 0);
  if (!given) return given.error();
  const auto local = local_layers(file, key + "_pattern", defaults.period, model.layer_count());
  if (!local) return local.error();
  const std::uint64_t wide = file.find(key) == nullptr ? defaults.positions : *given;
  const std::uint64_t positions = std::min<std::uint64_t>(wide, model.context);
  for (std::uint32_t layer = 0; layer < model.layer_count(); ++layer) {
    if ((*local)[layer]) model.layers[layer].window = static_cast<std::uint32_t>(positions);
  }
  return {};
}

Result<void> read_one_window(const ModelFile& file, std::string_view prefix, std::uint64_t usual,
                             ModelDescription& model) {
  const auto window = file.integer_or(std::string(prefix) + ".attention.sliding_window", usual);
  if (!window) return window.error();
  if (*window >= model.context) return {};
  for (LayerShape& layer : model.layers) layer.window = static_cast<std::uint32_t>(*window);
  return {};
}

Result<void> rotate_windows(const ModelFile& file, std::string_view prefix, RotationShape like,
                            ModelDescription& model) {
  const std::string key = std::string(prefix) + ".rope.freq_base_swa";
  const auto theta = file.number_or(key, like.theta);
  if (!theta) return theta.error();
  if (!(*theta > 0.0) || !std::isfinite(*theta)) {
    return Error(Code::bad_file, file.path + ": " + key + " is " + shown_value(*theta) + "; it must be positive");
  }
  const auto has_window = [](const LayerShape& layer) { return layer.window != 0; };
  if (std::none_of(model.layers.begin(), model.layers.end(), has_window)) return {};
  like.theta = *theta;
  model.rotations.push_back(std::move(like));
  for (LayerShape& layer : model.layers) {
    if (has_window(layer)) layer.rotation = static_cast<std::uint32_t>(model.rotations.size() - 1);
  }
  return {};
}

}  // namespace troupe::plugins
