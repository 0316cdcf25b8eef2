#include "runtime/plan/stage_costs.hpp"

#include <algorithm>
#include <cstdint>

namespace troupe {

StageCosts stage_costs(const ModelFile& file, const ModelDescription& model) {
  // Microseconds of one core for eight rows: the weights come at 40 GB/s or are multiplied at 650 GOP/s, whichever
  // takes longer; attention, norms and what goes with them take about 25 more in a layer.
  const auto cost = [](std::uint64_t weights, std::uint64_t bytes) {
    return std::max(static_cast<double>(bytes) / 40e3, static_cast<double>(weights) * 2 * 8 / 650e3);
  };
  const FileTensor* head = file.tensor(model.ends.head);
  std::uint64_t weights = 0, bytes = 0;
  for (const FileTensor& tensor : file.tensors) {
    if (!tensor.name.starts_with("blk.")) continue;
    weights += tensor.planes * tensor.rows * tensor.columns;
    bytes += tensor.data.size();
  }
  return {cost(weights / model.layer_count(), bytes / model.layer_count()) + 25,
          cost(head->rows * head->columns, head->data.size())};
}

}  // namespace troupe
