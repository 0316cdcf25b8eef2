#include "runtime/program/builder.hpp"

// Where a rank stands among those of its stage, and how the ones that share out a step's rows exchange them.

namespace troupe {

void ProgramBuilder::begin_layers() {
  const bool receives = shard_.layers.first > 0;
  if (shares_rows()) {
    program_.own_rows = add_space({.name = "own", .ranks = ranks_.row_ranks()});
    program_.row_rank = ranks_.row_rank();
    program_.row_ranks = ranks_.row_ranks();
    stream_ = value_in(program_.own_rows, "stream", ValueType::f32, model_.hidden);
    if (receives) {
      program_.sections.push_back({"start"});
      spread_hidden();
    }
  }
  program_.sections.push_back({"layers", program_.own_rows});
  if (!receives) return;
  if (shares_rows()) {
    append(ops::OwnRows{program_.hidden, stream_});
  } else if (ranks_.size() > 1) {
    spread_hidden();
  }
}

/// Of a stage's ranks the first alone receives the hidden state.
void ProgramBuilder::spread_hidden() {
  append(ops::Broadcast{program_.hidden, stage(), program_.events});
  append(ops::Await{program_.events++, program_.hidden, program_.hidden});
}

GroupId ProgramBuilder::group(const char* name, std::uint32_t number, std::uint32_t size, std::uint32_t rank) {
  auto& groups = program_.groups;
  for (GroupId id = 0; id < groups.size(); ++id) {
    if (groups[id].name == name) return id;
  }
  groups.push_back({name, number, size, rank});
  return static_cast<GroupId>(groups.size() - 1);
}

/// Those that share out the layers of this rank's rows.
GroupId ProgramBuilder::tp() { return group("tp", ranks_.row_rank(), ranks_.tp, ranks_.tp_rank()); }

/// All.
GroupId ProgramBuilder::stage() { return shares_rows() ? group("stage", 0, ranks_.size(), ranks_.rank) : tp(); }

/// Those that have the same of the layers, and other rows.
GroupId ProgramBuilder::rows() {
  if (ranks_.tp == 1) return stage();
  return group("rows", ranks_.tp_rank(), ranks_.row_ranks(), ranks_.row_rank());
}

/// Of these the ones that together have all experts.
GroupId ProgramBuilder::ep() {
  if (ranks_.sp == 1) return rows();
  return group("ep", ranks_.sp_rank() * ranks_.tp + ranks_.tp_rank(), ranks_.ep, ranks_.ep_rank());
}

/// Of the step's rows what every rank has of its own.
ValueId ProgramBuilder::of_all_rows(ValueId x) {
  const Value own = program_.values[x];
  const ValueId all = value_in(0, own.name, own.type, own.columns);
  append(ops::AllGatherRows{x, all, rows(), program_.events});
  append(ops::Await{program_.events++, x, all});
  return all;
}

/// Ranks that share out the rows share out the positions, or the heads, where there are enough; else all have the whole
/// cache.
void ProgramBuilder::kv_append(ValueId k, ValueId v) {
  const KvId kv = layer_ - shard_.layers.first;
  if (!shares_rows()) return append(ops::KvAppend{k, v, kv});
  const auto columns = head_columns(&AttentionPart::kv_heads, part_.kv_heads);
  const auto of_all = [&](ValueId x) { return shares_attention(part_) ? exchanged(x, columns) : of_all_rows(x); };
  const ValueId all_k = of_all(k), all_v = of_all(v);
  program_.sections.push_back({"cache"});
  append(ops::KvAppend{all_k, all_v, kv});
  program_.sections.push_back({"layers", program_.own_rows});
}

bool ProgramBuilder::shares_attention(const LayerPart& part) const {
  return shares_rows() && !ranks_.by_positions && part.attention_leaves.size() >= ranks_.row_ranks();
}

ProgramBuilder::AttentionPart ProgramBuilder::attention_part(const LayerShape& layer, const LayerPart& part,
                                                             std::uint32_t row_rank) const {
  if (!shares_attention(part)) return {part.query_heads, part.kv_heads};
  const Range leaves = even_part(part.attention_leaves.size(), row_rank, ranks_.row_ranks());
  const std::uint32_t first = part.attention_leaves.first;
  const Range heads = scaled({first + leaves.first, first + leaves.last}, part.attention.units);
  return {heads, kv_heads_of(heads, layer)};
}

ProgramBuilder::AttentionPart ProgramBuilder::own_attention() const {
  return attention_part(model_.layers[layer_], part_, ranks_.row_rank());
}

/// Of those that are `here`, counted from the first of them, each rank's.
std::vector<Range> ProgramBuilder::head_columns(Range AttentionPart::*heads, Range here) const {
  const LayerShape& layer = model_.layers[layer_];
  std::vector<Range> columns;
  for (std::uint32_t rank = 0; rank < ranks_.row_ranks(); ++rank) {
    const Range mine = attention_part(layer, part_, rank).*heads;
    columns.push_back(scaled({mine.first - here.first, mine.last - here.first}, layer.head_dim));
  }
  return columns;
}

/// Of all rows this rank's columns.
ValueId ProgramBuilder::exchanged(ValueId x, const std::vector<Range>& columns) {
  const std::string name = program_.values[x].name;
  std::uint32_t together = 0;
  for (const Range& each : columns) together += each.size();
  const ValueId packed = value(name, ValueType::f32, together);
  append(ops::PackHeads{x, packed, columns});
  const ValueId all = value_in(0, name, ValueType::f32, columns[ranks_.row_rank()].size());
  append(ops::ExchangeHeads{packed, all, rows(), program_.events, columns, false});
  append(ops::Await{program_.events++, packed, all});
  return all;
}

/// Of own rows all columns.
ValueId ProgramBuilder::exchanged_back(ValueId x, const std::vector<Range>& columns) {
  const std::string name = program_.values[x].name;
  const ValueId packed = value_in(program_.own_rows, name, ValueType::f32, columns.back().last);
  append(ops::ExchangeHeads{x, packed, rows(), program_.events, columns, true});
  append(ops::Await{program_.events++, x, packed});
  program_.sections.push_back({"layers", program_.own_rows});
  const ValueId own = value(name, ValueType::f32, columns.back().last);
  append(ops::UnpackHeads{packed, own, columns});
  return own;
}

/// A row sees so many stretches of positions at most, and of each part's its share of them.
ProgramBuilder::NodeSpaces ProgramBuilder::node_spaces(std::uint32_t window) {
  if (const auto found = node_spaces_.find(window); found != node_spaces_.end()) return found->second;
  const KvDeal& deal = program_.deal;
  const std::uint32_t blocks = kv_blocks_for(model_.context), all = (blocks + deal.stretch - 1) / deal.stretch;
  const std::uint32_t seen =
      window == 0 ? all : std::min(all, (kv_blocks_for(window) + deal.stretch - 1) / deal.stretch + 1);
  const NodeSpaces spaces{
      add_space({.name = "found", .per_row = (seen + deal.parts - 1) / deal.parts}),
      add_space({.name = "gathered", .per_row = seen, .ranks = ranks_.row_ranks()}),
  };
  append(ops::PlanNodes{spaces.found, spaces.gathered, window});
  return node_spaces_.emplace(window, spaces).first->second;
}

ValueId ProgramBuilder::attention_by_positions(ValueId q, float scale, std::uint32_t window) {
  const ops::AttentionShape shape = attention_shape(scale, window);
  const auto [found_rows, gathered_rows] = node_spaces(window);
  const ValueId all_q = of_all_rows(q);
  program_.sections.push_back({"attention"});
  const std::uint32_t columns = shape.heads * (shape.head_dim + 2);
  const ValueId found = value_in(found_rows, "nodes", ValueType::f32, columns);
  const ValueId gathered = value_in(gathered_rows, "nodes", ValueType::f32, columns);
  append(ops::AttentionNodes{all_q, found, shape});
  append(ops::ExchangeNodes{found, gathered, rows(), program_.events, window});
  append(ops::Await{program_.events++, found, gathered});
  program_.sections.push_back({"layers", program_.own_rows});
  const ValueId y = value("attention", ValueType::f32, shape.heads * shape.head_dim);
  append(ops::MergeNodes{q, gathered, y, shape});
  return y;
}

/// What travels on, and what the head reads, is the state of all rows.
void ProgramBuilder::end_layers() {
  whole(stream_);
  if (!shares_rows()) return;
  append(ops::AllGatherRows{stream_, program_.hidden, rows(), program_.events});
  append(ops::Await{program_.events++, stream_, program_.hidden});
}

}  // namespace troupe
