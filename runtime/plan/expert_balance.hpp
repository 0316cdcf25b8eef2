#pragma once

#include <vector>

#include "troupe/graph.hpp"

namespace troupe {

/// What the busiest ranks of ep had to do against even shares of it, over all layers that had anything: 1 is even. 1,
/// too, where experts are shared out by nobody.
[[nodiscard]] double busiest_share(const Graph& graph, const std::vector<ExpertLoad>& load);

}  // namespace troupe
