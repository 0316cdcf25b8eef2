#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/program/program.hpp"

namespace troupe {

/// Which row of the step each routed row is of, and where an expert's are. What has room for so many rows allocates
/// nothing later.
struct Routing {
  std::vector<std::uint32_t> chosen;   ///< [rows of the step][used]: experts, the highest score first
  std::vector<float> chosen_weight;    ///< [rows of the step][used]
  std::vector<std::uint32_t> place;    ///< [rows of the step][used]: the routed row of each
  std::vector<std::uint32_t> row;      ///< [routed rows]: of the step
  std::vector<float> weight;           ///< [routed rows]
  std::vector<std::uint32_t> first;    ///< [experts + 1]: routed row of each
  std::vector<std::uint8_t> overflow;  ///< [routed rows], see kernels::MatmulArgs

  void reserve(const Program& program, std::size_t rows);

  /// For so many rows of the step, before they choose.
  void begin(std::size_t rows, std::uint32_t used, std::size_t experts);

  /// Chooses for one row by the scores of all experts; false where one is no number.
  [[nodiscard]] bool choose(std::size_t row, const float* scores, std::size_t experts, const ExpertChoice& choice);

  /// Once all rows have chosen: lays the routed rows expert by expert.
  void lay(std::size_t rows, std::uint32_t used);
};

/// Bytes that the routing of a program's steps takes.
[[nodiscard]] std::size_t routing_bytes(const Program& program, std::size_t rows);

}  // namespace troupe
