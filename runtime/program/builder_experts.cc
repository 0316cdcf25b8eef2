#include <numeric>

#include "runtime/program/builder.hpp"

namespace troupe {
namespace {

/// "ffn_up_exps.weight" has "ffn_up_exps.bias".
std::string bias_of(std::string_view weight) { return std::string(weight.substr(0, weight.rfind('.'))) + ".bias"; }

}  // namespace

/// Of this rank's experts, all in one tensor: its planes.
std::vector<WeightId> ProgramBuilder::expert_weights(const std::string& name, std::uint32_t rows, std::uint32_t columns,
                                                     const MatrixPart& part) {
  const FileTensor* const tensor = find(name, rows, columns, model_.layers[layer_].experts);
  std::vector<WeightId> weights;
  for (const std::uint32_t expert : own_experts()) {
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

/// The same of a tensor that has a row for each expert: some columns of these.
std::vector<WeightId> ProgramBuilder::expert_biases(const std::string& name, std::uint32_t columns, Range part) {
  const FileTensor* const tensor = find(name, model_.layers[layer_].experts, columns);
  std::vector<WeightId> weights;
  if (tensor == nullptr) return weights;
  for (const std::uint32_t expert : own_experts()) {
    const std::size_t bytes = kernels::row_bytes(tensor->format, columns);
    const FileTensor row{tensor->name, tensor->format, 1, columns, tensor->data.subspan(expert * bytes, bytes)};
    weights.push_back(vector_weight(name, &row, part));
  }
  return weights;
}

std::vector<std::uint32_t> ProgramBuilder::experts_at(std::uint32_t layer, std::uint32_t rank) const {
  for (const ExpertPlacement& placement : ranks_.experts) {
    if (placement.layer == layer) return placement.ranks[rank];
  }
  const Range part = even_part(model_.layers[layer].experts, rank, ranks_.ep);
  std::vector<std::uint32_t> experts(part.size());
  std::iota(experts.begin(), experts.end(), part.first);
  return experts;
}

const ProgramBuilder::ExpertSpaces& ProgramBuilder::expert_spaces() {
  if (expert_spaces_) return *expert_spaces_;
  const std::uint32_t used = model_.experts.used, ranks = ranks_.row_ranks(), ep = ranks_.ep;
  std::size_t most = 0;  // experts here, of any layer
  for (std::uint32_t layer = shard_.layers.first; layer < shard_.layers.last; ++layer) {
    most = std::max(most, experts_at(layer, ranks_.ep_rank()).size());
  }
  const auto here = static_cast<std::uint32_t>(most);
  ExpertSpaces spaces{};
  if (ep > 1) {
    spaces.sent = add_space({.name = "sent", .per_row = std::min(used, ep), .ranks = ranks});
    spaces.guests = add_space({.name = "guest", .per_row = ep, .ranks = ranks});
  }
  spaces.routed = add_space({.name = "routed", .per_row = ep * std::min(used, here), .ranks = ranks});
  return expert_spaces_.emplace(spaces);
}

/// Rows are quantised once, and not for each of their experts.
ValueId ProgramBuilder::dispatch(ValueId x, std::string_view router, std::span<const std::string_view> readers) {
  const std::uint32_t experts = model_.layers[layer_].experts, columns = program_.values[x].columns;
  const ValueId scores = column_parallel("scores", x, in_layer(router), experts, {0, experts});
  if (const std::string tensor = bias_of(router); has(tensor)) bias(scores, tensor);
  ValueId choice = value("choice", ValueType::f32, 2 * model_.experts.used);
  ops::Route route{scores, choice, model_.experts};
  constexpr std::string_view for_choice = "exp_probs_b.bias";
  if (model_.experts.gating == Gating::sigmoid && has(for_choice))
    route.bias = vector_weight(in_layer(for_choice), experts);
  append(route);
  if (model_.experts.capacity.beyond != ExpertCapacity::Beyond::none) {
    append(ops::LimitExperts{route, ranks_.tp_rank() == 0});
  }
  const auto quantised = [&](std::string_view reader) {
    const FileTensor* const tensor = file_.tensor(in_layer(reader));
    return tensor != nullptr && kernels::packing_of(tensor->format).planes != kernels::floats;
  };
  if (std::all_of(readers.begin(), readers.end(), quantised)) x = quantized(x);
  x = whole(x);
  if (ranks_.ep > 1) send_to_experts(x, choice, experts);
  const SpaceId routed = expert_spaces().routed;
  append(ops::LayExperts{choice, routed, own_experts(), experts, ranks_.tp_rank() == 0});
  program_.sections.push_back({"experts", routed});
  const ValueId rows = value("routed", program_.values[x].type, columns);
  append(ops::Dispatch{x, rows});
  return rows;
}

/// x and choice become those of the guests.
void ProgramBuilder::send_to_experts(ValueId& x, ValueId& choice, std::uint32_t experts) {
  const ExpertSpaces& spaces = expert_spaces();
  ops::PlanExchange plan{choice, spaces.sent, spaces.guests, std::vector<std::vector<std::uint32_t>>(experts), ep()};
  for (std::uint32_t rank = 0; rank < ranks_.ep; ++rank) {
    for (const std::uint32_t expert : experts_at(layer_, rank)) plan.ranks[expert].push_back(rank);
  }
  append(std::move(plan));
  program_.sections.push_back({"send", spaces.sent});
  const auto picked = [&](ValueId of) {
    const Value own = program_.values[of];
    return value(own.name, own.type, own.columns);
  };
  const ValueId sent_x = picked(x);
  append(ops::PickSent{x, sent_x});
  x = sent(sent_x, spaces.guests);
  const ValueId sent_choice = picked(choice);
  append(ops::PickChoices{choice, sent_choice});
  choice = sent(sent_choice, spaces.guests);
  program_.sections.push_back({"guests", spaces.guests});
}

/// What was picked, where it has come.
ValueId ProgramBuilder::sent(ValueId picked, SpaceId to) {
  const Value own = program_.values[picked];
  const ValueId there = value_in(to, own.name, own.type, own.columns);
  append(ops::AllToAll{picked, there, ep(), program_.events, false});
  append(ops::Await{program_.events++, picked, there});
  return there;
}

ValueId ProgramBuilder::expert_matmul(ValueId x, std::string_view weights) {
  const auto [all, part] = rows_of(Cut::ffn, {});
  const std::uint32_t columns = program_.values[x].columns;
  const ValueId y = value(std::string(weights.substr(0, weights.find('.'))), ValueType::f32, part.size());
  auto experts = expert_weights(in_layer(weights), all, columns, {part, {0, 1}, columns});
  append(ops::ExpertMatmul{multiplied(x, experts[0]), std::move(experts), y});
  if (const std::string bias = bias_of(weights); has(bias)) {
    append(ops::ExpertBias{y, expert_biases(in_layer(bias), all, part)});
  }
  return y;
}

/// What is weighed is what the last product reads, and not its sums, which have been rounded then. Their bias is a leaf
/// of its own.
ValueId ProgramBuilder::combine(ValueId x, std::string_view weights) {
  append(ops::WeighExperts{x});
  quantized_.erase(x);
  const std::uint32_t leaf_columns = part_.ffn.units;
  const ValueId routed = value("partial", ValueType::fixed, model_.hidden);
  auto experts = expert_weights(in_layer(weights), model_.hidden, part_.ffn.count * leaf_columns,
                                {{0, model_.hidden}, part_.ffn_leaves, leaf_columns});
  append(ops::ExpertPartial{multiplied(x, experts[0]), std::move(experts), routed});
  if (const std::string bias = bias_of(weights); has(bias) && ranks_.tp_rank() == 0) {
    append(ops::ExpertBiasLeaf{routed, expert_biases(in_layer(bias), model_.hidden, {0, model_.hidden})});
  }
  const bool guests = ranks_.ep > 1;
  program_.sections.push_back(guests ? Section{"guests", expert_spaces().guests}
                                     : Section{"layers", program_.own_rows});
  const ValueId sums = value("partial", ValueType::fixed, model_.hidden);
  append(ops::Combine{routed, sums, guests});
  return summed(guests ? returned(sums) : sums);
}

/// Of this rank's rows, from the ranks that had them as guests.
ValueId ProgramBuilder::returned(ValueId sums) {
  const ValueId back = value_in(expert_spaces().sent, "returned", ValueType::fixed, model_.hidden);
  append(ops::AllToAll{sums, back, ep(), program_.events, true});
  append(ops::Await{program_.events++, sums, back});
  program_.sections.push_back({"layers", program_.own_rows});
  const ValueId partial = value("partial", ValueType::fixed, model_.hidden);
  append(ops::SumReturned{back, partial});
  return partial;
}

}  // namespace troupe
