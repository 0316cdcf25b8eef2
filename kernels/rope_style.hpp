#pragma once

#include <cstdint>

namespace troupe::kernels {

/// How pairs of a head's dimensions are rotated: (2i, 2i+1), or (i, i + half of what is rotated).
enum class RopeStyle : std::uint8_t { adjacent, halves };

}  // namespace troupe::kernels
