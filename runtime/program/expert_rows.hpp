#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/model/description.hpp"
#include "troupe/graph.hpp"

namespace troupe {

/// How many rows each expert of a model has been given, by all shards that there have been. Any thread.
class ExpertRows {
 public:
  explicit ExpertRows(const ModelDescription& model)
      : rows_(first_of(model, first_)), dropped_(model.layers.size()), rerouted_(model.layers.size()) {}

  void add(std::uint32_t layer, std::uint32_t expert, std::uint64_t rows) {
    if (rows > 0) rows_[first_[layer] + expert].fetch_add(rows, std::memory_order_relaxed);  // nothing is read by it
  }

  void add_beyond(std::uint32_t layer, std::uint64_t dropped, std::uint64_t rerouted) {
    if (dropped > 0) dropped_[layer].fetch_add(dropped, std::memory_order_relaxed);
    if (rerouted > 0) rerouted_[layer].fetch_add(rerouted, std::memory_order_relaxed);
  }

  /// Of the layers that have experts.
  [[nodiscard]] std::vector<ExpertLoad> read() const {
    std::vector<ExpertLoad> all;
    for (std::uint32_t layer = 0; layer + 1 < first_.size(); ++layer) {
      if (first_[layer] == first_[layer + 1]) continue;
      ExpertLoad& load = all.emplace_back(ExpertLoad{layer});
      load.dropped = dropped_[layer].load(std::memory_order_relaxed);
      load.rerouted = rerouted_[layer].load(std::memory_order_relaxed);
      for (std::size_t i = first_[layer]; i < first_[layer + 1]; ++i) {
        load.rows.push_back(rows_[i].load(std::memory_order_relaxed));
      }
    }
    return all;
  }

 private:
  static std::size_t first_of(const ModelDescription& model, std::vector<std::size_t>& first) {
    first.push_back(0);
    for (const LayerShape& layer : model.layers) first.push_back(first.back() + layer.experts);
    return first.back();
  }

  std::vector<std::size_t> first_;  ///< [layers + 1]
  std::vector<std::atomic<std::uint64_t>> rows_;
  std::vector<std::atomic<std::uint64_t>> dropped_, rerouted_;  ///< [layers]
};

}  // namespace troupe
