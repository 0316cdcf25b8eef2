#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/model/description.hpp"

namespace troupe {

/// Choices that found no room.
struct BeyondCapacity {
  std::uint64_t dropped = 0, rerouted = 0;
};

/// Holds the choices of some rows, [rows][2 * used] (see ops::Route), to the experts' room: what is dropped is -1.
/// `scores`: [rows][experts], `bias`: [experts] or null, as they were chosen by. `room` has room for all experts.
BeyondCapacity limit_experts(const float* scores, const float* bias, std::size_t rows, std::size_t experts,
                             const ExpertChoice& how, std::vector<std::uint32_t>& room, float* choices);

}  // namespace troupe
