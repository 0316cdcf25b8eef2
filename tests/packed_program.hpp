#pragma once

#include <memory>
#include <vector>

#include "runtime/program/program.hpp"
#include "runtime/program/weights.hpp"

namespace troupe::testing {

inline std::size_t weight_bytes(const Program& program) {
  std::size_t bytes = 0;
  for (const Weight& weight : program.weights) bytes += troupe::weight_bytes(weight);
  return bytes;
}

/// All weights of a program, which nobody shares.
inline Result<std::shared_ptr<const ShardWeights>> packed_program(
    const Program& program, std::uint32_t threads, const Advanced& advanced = [](std::size_t) { return true; }) {
  std::vector<const Weight*> all;
  for (const Weight& weight : program.weights) all.push_back(&weight);
  auto pieces = pack_weights(all, threads, advanced);
  if (!pieces) return pieces.error();
  auto packed = std::make_shared<ShardWeights>();
  for (const auto& piece : *pieces) packed->weights.push_back(piece->weight());
  packed->pieces = std::move(*pieces);
  return std::shared_ptr<const ShardWeights>(std::move(packed));
}

}  // namespace troupe::testing
