#include "runtime/program/builder.hpp"

namespace troupe {

/// Of each expert, all in one tensor: its planes.
std::vector<WeightId> ProgramBuilder::expert_weights(const std::string& name, std::uint32_t rows, std::uint32_t columns,
                                                     const MatrixPart& part) {
  const std::uint32_t experts = model_.layers[layer_].experts;
  const FileTensor* const tensor = find(name, rows, columns, experts);
  std::vector<WeightId> weights;
  for (std::uint32_t expert = 0; expert < experts; ++expert) {
    if (tensor == nullptr) {
      weights.push_back(matrix_weight(name, nullptr, part));
      continue;
    }
    const std::size_t bytes = rows * kernels::row_bytes(tensor->format, columns);
    const FileTensor plane{tensor->name, tensor->format, rows, columns, tensor->data.subspan(expert * bytes, bytes)};
    weights.push_back(matrix_weight(name, &plane, part));
  }
  return weights;
}

/// One for all layers.
SpaceId ProgramBuilder::routed_space() {
  if (!routed_) {
    routed_ = static_cast<SpaceId>(program_.spaces.size());
    program_.spaces.push_back({.name = "routed", .per_row = model_.experts.used});
  }
  return *routed_;
}

ValueId ProgramBuilder::dispatch(ValueId x, std::string_view router) {
  const std::uint32_t experts = model_.layers[layer_].experts, columns = program_.values[x].columns;
  const ValueId scores = column_parallel("scores", x, in_layer(router), experts, {0, experts});
  const SpaceId routed = routed_space();
  append(ops::Route{scores, routed, model_.experts});
  program_.sections.push_back({"experts", routed});
  const ValueId rows = value("routed", ValueType::f32, columns);
  append(ops::Dispatch{x, rows});
  return rows;
}

ValueId ProgramBuilder::expert_matmul(ValueId x, std::string_view weights) {
  const auto [all, part] = rows_of(Cut::ffn, {});
  const std::uint32_t columns = program_.values[x].columns;
  const ValueId y = value(std::string(weights.substr(0, weights.find('.'))), ValueType::f32, part.size());
  auto experts = expert_weights(in_layer(weights), all, columns, {part, {0, 1}, columns});
  append(ops::ExpertMatmul{multiplied(x, experts[0]), std::move(experts), y});
  return y;
}

/// What is weighed is what the last product reads, and not its sums, which have been rounded then.
ValueId ProgramBuilder::combine(ValueId x, std::string_view weights) {
  append(ops::WeighExperts{x});
  quantized_.erase(x);
  const std::uint32_t leaf_columns = part_.ffn.units;
  const ValueId routed = value("partial", ValueType::fixed, model_.hidden);
  auto experts = expert_weights(in_layer(weights), model_.hidden, part_.ffn.count * leaf_columns,
                                {{0, model_.hidden}, part_.ffn_leaves, leaf_columns});
  append(ops::ExpertPartial{multiplied(x, experts[0]), std::move(experts), routed});
  program_.sections.push_back({"layers"});
  const ValueId partial = value("partial", ValueType::fixed, model_.hidden);
  append(ops::Combine{routed, partial, routed_space()});
  return summed(partial);
}

}  // namespace troupe
