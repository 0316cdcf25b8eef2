#pragma once

#include "runtime/model/description.hpp"
#include "runtime/model/model_file.hpp"
#include "runtime/plan/plan.hpp"

namespace troupe {

/// The relative costs by which a model's stages are balanced.
[[nodiscard]] StageCosts stage_costs(const ModelFile& file, const ModelDescription& model);

}  // namespace troupe
