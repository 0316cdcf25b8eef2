#include "runtime/program/builder.hpp"

#include <cmath>
#include <type_traits>

#include "kernels/kv_layout.hpp"
#include "kernels/math.hpp"
#include "runtime/memory/kv_groups.hpp"

namespace troupe {
namespace {

Rotation rotation_of(const RotationShape& shape) {
  Rotation rotation{shape.style, shape.dims, std::vector<double>(shape.dims / 2), shape.factor, shape.temperature};
  kernels::rope_frequencies(shape.theta, shape.dims, rotation.frequencies.data());
  for (std::size_t i = 0; i < shape.divisors.size(); ++i) rotation.frequencies[i] /= shape.divisors[i];
  return rotation;
}

template <class Kind, class... Kinds>
constexpr bool is_one_of = (std::is_same_v<Kind, Kinds> || ...);

/// What norms and residuals are made of. Whoever is not named here is given every row.
bool works_row_by_row(const Op& op) {
  return std::visit(
      []<class Kind>(const Kind&) {
        return is_one_of<Kind, ops::FromFixed, ops::RmsNorm, ops::LayerNorm, ops::Bias, ops::Scale, ops::SigmoidScale,
                         ops::Add, ops::Quantize>;
      },
      op.what);
}

}  // namespace

ProgramBuilder::ProgramBuilder(const ModelFile& file, const ModelDescription& model, const GraphNode& shard,
                               const RankGrid& ranks, std::span<const Adapter> adapters)
    : file_(file), model_(model), shard_(shard), ranks_(ranks), adapters_(adapters) {
  stream_ = program_.hidden = value_in(0, "hidden", ValueType::f32, model.hidden);
  for (const RotationShape& shape : model.rotations) program_.rotations.push_back(rotation_of(shape));
  place_kv();
  layer_ = shard.layers.first;
  begin_layers();
}

SpaceId ProgramBuilder::add_space(RowSpace space) {
  program_.spaces.push_back(std::move(space));
  return static_cast<SpaceId>(program_.spaces.size() - 1);
}

void ProgramBuilder::place_kv() {
  const KvGroups groups = kv_groups(model_, ranks_.kv_parts());
  program_.deal = kv_deal(model_.context, ranks_.kv_parts(), ranks_.by_positions ? ranks_.row_rank() : 0);
  program_.kv_groups = static_cast<std::uint32_t>(groups.windows.size());
  std::vector<std::size_t> ends(groups.windows.size(), 0);
  for (std::uint32_t layer = shard_.layers.first; layer < shard_.layers.last; ++layer) {
    const LayerShape& shape = model_.layers[layer];
    const AttentionPart part = attention_part(shape, part_of(shape, model_, shard_), ranks_.row_rank());
    const std::uint32_t group = groups.of_layer[layer] + program_.deal.part;
    program_.kv.push_back({layer, group, ends[group], part.kv_heads, shape.head_dim});
    ends[group] += part.kv_heads.size() * kernels::kv_head_bytes(shape.head_dim);
  }
}

void ProgramBuilder::begin_layer(std::uint32_t layer) {
  layer_ = layer;
  part_ = part_of(model_.layers[layer], model_, shard_);
}

ValueId ProgramBuilder::value(std::string name, ValueType type, std::uint32_t columns) {
  return value_in(program_.sections.back().space, std::move(name), type, columns);
}

ValueId ProgramBuilder::value_in(SpaceId space, std::string name, ValueType type, std::uint32_t columns) {
  program_.values.push_back({std::move(name), type, columns, space});
  return static_cast<ValueId>(program_.values.size() - 1);
}

/// What works row by row makes parts of parts; all else gets every row.
void ProgramBuilder::append(ops::Any what) {
  const Op op{layer_, std::move(what)};
  std::vector<ValueId> parts, made;
  for_each_value(op, [&](ValueId id, Access access) {
    if (access != Access::write && parts_.contains(id)) parts.push_back(id);
    if (access != Access::read) made.push_back(id);
  });
  if (!parts.empty() && works_row_by_row(op)) {
    parts_.insert(made.begin(), made.end());
  } else {
    for (const ValueId id : parts) whole(id);
  }
  program_.sections.back().ops.push_back(op);
}

void ProgramBuilder::fail(Error error) {
  if (!error_) error_ = std::move(error);
}

std::string ProgramBuilder::in_layer(std::string_view weight) const {
  return "blk." + std::to_string(layer_) + "." + std::string(weight);
}

const FileTensor* ProgramBuilder::find(const std::string& name, std::uint64_t rows, std::uint64_t columns,
                                       std::uint64_t planes) {
  const FileTensor* tensor = file_.tensor(name);
  if (tensor == nullptr) {
    fail({Code::bad_file, file_.path + ": tensor " + name + " is missing"});
    return nullptr;
  }
  if (tensor->planes == planes && tensor->rows == rows && tensor->columns == columns) return tensor;
  const bool several = tensor->planes > 1 || planes > 1;
  const auto shape = [&](std::uint64_t p, std::uint64_t r, std::uint64_t c) {
    return (several ? std::to_string(p) + " x " : "") + std::to_string(r) + " x " + std::to_string(c);
  };
  fail({Code::bad_file, file_.path + ": tensor " + name + " is " +
                            shape(tensor->planes, tensor->rows, tensor->columns) +
                            (several ? " (planes x rows x columns)" : " (rows x columns)") +
                            "; the model's numbers ask for " + shape(planes, rows, columns)});
  return nullptr;
}

void ProgramBuilder::must_have(std::string_view tensor) {
  if (!has(tensor)) fail({Code::bad_file, file_.path + ": tensor " + in_layer(tensor) + " is missing"});
}

/// A part of a tensor's elements, in which its rows lie one behind the other.
WeightId ProgramBuilder::vector_weight(const std::string& name, const FileTensor* tensor, Range part) {
  Weight weight{name, Weight::Use::vector, {}};
  if (tensor != nullptr) {
    const auto columns = static_cast<std::uint32_t>(tensor->rows * tensor->columns);
    weight.source = {tensor->format, tensor->data.data(), columns, 0, 1, part.first, 1, part.size()};
    if (kernels::info(tensor->format).block_columns > 1) {
      fail({Code::unsupported, file_.path + ": tensor " + name + " is " +
                                   std::string(kernels::info(tensor->format).name) +
                                   "; vectors must be F32, F16 or BF16"});
    }
  }
  program_.weights.push_back(weight);
  return static_cast<WeightId>(program_.weights.size() - 1);
}

WeightId ProgramBuilder::matrix_weight(const std::string& name, const FileTensor* tensor, const MatrixPart& part) {
  Weight weight{name, Weight::Use::matrix, {}};
  const auto& [rows, leaves, leaf_columns] = part;
  weight.source.rows = rows.size();
  if (tensor != nullptr) {
    const auto columns = static_cast<std::uint32_t>(tensor->columns);
    weight.source = {tensor->format, tensor->data.data(),         columns,       rows.first,
                     rows.size(),    leaves.first * leaf_columns, leaves.size(), leaf_columns};
  }
  program_.weights.push_back(weight);
  return static_cast<WeightId>(program_.weights.size() - 1);
}

ValueId ProgramBuilder::normed(ValueId x, const std::string& weight) {
  const std::uint32_t columns = program_.values[x].columns;
  const ValueId y = value("norm", ValueType::f32, columns);
  append(ops::RmsNorm{x, vector_weight(weight, columns), y, model_.norm_epsilon});
  return y;
}

ValueId ProgramBuilder::rms_norm(ValueId x, std::string_view weight) { return normed(x, in_layer(weight)); }

ValueId ProgramBuilder::layer_normed(ValueId x, const std::string& weight) {
  const std::uint32_t columns = program_.values[x].columns;
  const ValueId y = value("norm", ValueType::f32, columns);
  append(ops::LayerNorm{x, vector_weight(weight, columns), y, model_.norm_epsilon});
  const std::string bias = weight.substr(0, weight.rfind('.')) + ".bias";
  if (file_.tensor(bias) != nullptr) append(ops::Bias{y, vector_weight(bias, columns)});
  return y;
}

ValueId ProgramBuilder::layer_norm(ValueId x, std::string_view weight) { return layer_normed(x, in_layer(weight)); }

ValueId ProgramBuilder::head_norm(ValueId x, std::string_view weight) {
  const std::uint32_t columns = program_.values[x].columns, head_dim = model_.layers[layer_].head_dim;
  const ValueId y = value("head_norm", ValueType::f32, columns);
  const WeightId scale = vector_weight(in_layer(weight), head_dim);
  append(ops::HeadNorm{x, scale, y, model_.norm_epsilon, columns / head_dim, head_dim});
  return y;
}

ValueId ProgramBuilder::head_layer_norm(ValueId x, std::string_view weight, Cut cut) {
  const std::uint32_t columns = program_.values[x].columns, head_dim = model_.layers[layer_].head_dim;
  const auto [all, part] = rows_of(cut, {});
  const ValueId y = value("head_norm", ValueType::f32, columns);
  const WeightId scale = vector_weight(in_layer(weight), find(in_layer(weight), all / head_dim, head_dim), part);
  append(ops::HeadLayerNorm{x, scale, y, model_.norm_epsilon, columns / head_dim, head_dim});
  return y;
}

/// A KV head that two ranks hold counts with the one that has its first query head.
ValueId ProgramBuilder::projection_norm(ValueId x, std::string_view weight, Cut cut) {
  const LayerShape& layer = model_.layers[layer_];
  const auto [all, part] = rows_of(cut, {});
  Range counted{0, part.size() / layer.head_dim};
  if (cut == Cut::kv_heads) {
    const std::uint32_t group = layer.heads / layer.kv_heads;
    const auto from = [&](std::uint32_t query_head) { return (query_head + group - 1) / group - part_.kv_heads.first; };
    counted = {from(part_.query_heads.first), from(part_.query_heads.last)};
  }
  const ValueId mean = value("mean_square", ValueType::fixed, 1);
  append(ops::MeanSquare{x, mean, counted.first, counted.size(), layer.head_dim, all});
  sum_over_ranks(mean);
  const ValueId y = value("norm", ValueType::f32, part.size());
  append(ops::NormByMean{x, mean, vector_weight(in_layer(weight), all, part), y, model_.norm_epsilon});
  return y;
}

void ProgramBuilder::bias(ValueId x, std::string_view tensor, Cut cut, Fused fused) {
  const auto [all, part] = rows_of(cut, fused);
  quantized_.erase(x);
  append(ops::Bias{x, vector_weight(in_layer(tensor), all, part)});
}

void ProgramBuilder::bias(ValueId x, std::string_view tensor) {
  quantized_.erase(x);
  append(ops::Bias{x, vector_weight(in_layer(tensor), program_.values[x].columns)});
}

void ProgramBuilder::sigmoid_scale(ValueId y, ValueId x, std::string_view weight) {
  quantized_.erase(y);
  append(ops::SigmoidScale{column_parallel("score", x, in_layer(weight), 1, {0, 1}), y});
}

void ProgramBuilder::scale(ValueId x, float factor) {
  quantized_.erase(x);
  append(ops::Scale{x, factor});
}

ValueId ProgramBuilder::quantized(ValueId x) {
  if (const auto found = quantized_.find(x); found != quantized_.end()) return found->second;
  const ValueId y = value("q8", ValueType::q8, program_.values[x].columns);
  append(ops::Quantize{x, y});
  return quantized_[x] = y;
}

ValueId ProgramBuilder::multiplied(ValueId x, WeightId weight) {
  if (program_.values[x].type == ValueType::q8) return x;
  const kernels::Format format = program_.weights[weight].source.format;
  return kernels::packing_of(format).planes == kernels::floats ? x : quantized(x);
}

/// Every row of it at every rank.
ValueId ProgramBuilder::whole(ValueId x) {
  if (parts_.erase(x) == 0) return x;
  append(ops::GatherParts{x, tp(), program_.events});
  append(ops::Await{program_.events++, x, x});
  return x;
}

ProgramBuilder::Rows ProgramBuilder::rows_of(Cut cut, Fused fused) const {
  const LayerShape& layer = model_.layers[layer_];
  const Range part = cut == Cut::query_heads ? scaled(part_.query_heads, layer.head_dim)
                     : cut == Cut::kv_heads  ? scaled(part_.kv_heads, layer.head_dim)
                     : cut == Cut::ffn       ? part_.ffn_columns
                                             : part_.shared_columns;
  const std::uint32_t all = cut == Cut::query_heads ? layer.heads * layer.head_dim
                            : cut == Cut::kv_heads  ? layer.kv_heads * layer.head_dim
                            : cut == Cut::ffn       ? layer.ffn
                                                    : layer.shared_ffn;
  if (fused.all == 0) return {all, part};
  return {fused.all, {fused.before + part.first, fused.before + part.last}};
}

ValueId ProgramBuilder::matmul(ValueId x, std::string_view weight, Cut cut, Fused fused) {
  const auto [all, part] = rows_of(cut, fused);
  return column_parallel(std::string(weight.substr(0, weight.find('.'))), x, in_layer(weight), all, part);
}

/// Of a matrix of so many rows these. Where it is the embedding, too, adapters change that alone.
ValueId ProgramBuilder::column_parallel(std::string name, ValueId x, const std::string& matrix, std::uint32_t all,
                                        Range rows) {
  const std::uint32_t columns = program_.values[x].columns;
  const auto uncut = [&](Range of) { return MatrixPart{of, {0, 1}, columns}; };
  const ValueId y = product(std::move(name), x, matrix_weight(matrix, find(matrix, all, columns), uncut(rows)));
  if (matrix == model_.ends.embedding) return y;
  adapt(y, matrix, rows, [&](const LowRank& pair) {
    return product("lora_a", x, matrix_weight(matrix + ".lora_a", &pair.a, uncut({0, pair.rank})));
  });
  return y;
}

/// y [weight.rows] = weight * x
ValueId ProgramBuilder::product(std::string name, ValueId x, WeightId matrix) {
  const ValueId y = value(std::move(name), ValueType::f32, program_.weights[matrix].source.rows);
  append(ops::Matmul{multiplied(x, matrix), {{matrix, y}}});
  return y;
}

/// Adds to y, whose rows are these of a matrix, what adapters make of its input; `inner` writes A x, [rank].
void ProgramBuilder::adapt(ValueId y, const std::string& matrix, Range rows,
                           const std::function<ValueId(const LowRank&)>& inner) {
  for (const Adapter& adapter : adapters_) {
    const LowRank* const pair = adapter.find(matrix);
    if (pair == nullptr) continue;
    const ValueId x = inner(*pair);
    scale(x, pair->factor);
    add(y, product("lora_b", x, matrix_weight(matrix + ".lora_b", &pair->b, {rows, {0, 1}, pair->rank})));
  }
}

ValueId ProgramBuilder::row_parallel(ValueId x, std::string_view weight, Cut cut) {
  const bool heads = cut == Cut::query_heads, shared = cut == Cut::shared_ffn;
  const Leaves leaves = heads ? part_.attention : shared ? part_.shared : part_.ffn;
  const std::uint32_t leaf_columns = leaves.units * (heads ? model_.layers[layer_].head_dim : 1);
  const Range mine = heads ? part_.attention_leaves : shared ? part_.shared_leaves : part_.ffn_leaves;
  const Range rows{0, model_.hidden};
  const std::string name = in_layer(weight);
  const FileTensor* const tensor = find(name, model_.hidden, leaves.count * leaf_columns);
  const ValueId sum = sum_of_leaves(x, matrix_weight(name, tensor, {rows, mine, leaf_columns}));
  adapt(sum, name, rows, [&](const LowRank& pair) {
    return sum_of_leaves(x, matrix_weight(name + ".lora_a", &pair.a, {{0, pair.rank}, mine, leaf_columns}));
  });
  return sum;
}

/// [matrix.rows], of all ranks' leaves
ValueId ProgramBuilder::sum_of_leaves(ValueId x, WeightId matrix) {
  const ValueId partial = value("partial", ValueType::fixed, program_.weights[matrix].source.rows);
  append(ops::MatmulPartial{multiplied(x, matrix), matrix, partial});
  return summed(partial);
}

/// Over the ranks, as floats.
ValueId ProgramBuilder::summed(ValueId partial) {
  const ValueId sum = value("sum", ValueType::f32, program_.values[partial].columns);
  if (ranks_.tp > 1) {
    append(ops::ReduceRows{partial, tp(), program_.events});
    append(ops::Await{program_.events++, partial, partial});
    parts_.insert(partial);
  }
  append(ops::FromFixed{partial, sum});
  return sum;
}

void ProgramBuilder::sum_over_ranks(ValueId partial) {
  if (ranks_.tp == 1) return;
  append(ops::AllReduce{partial, tp(), program_.events});
  append(ops::Await{program_.events++, partial, partial});
}

void ProgramBuilder::rope(ValueId x, std::optional<std::uint32_t> rotation) {
  if (!rotation) return;
  const std::uint32_t head_dim = model_.layers[layer_].head_dim;
  quantized_.erase(x);
  append(ops::Rope{x, program_.values[x].columns / head_dim, head_dim, *rotation});
}

/// Of the query heads whose attention is computed here. Each must be a number, lest a head have no weights.
WeightId ProgramBuilder::sinks(Range query_heads) {
  const std::string name = in_layer("attn_sinks.weight");
  const FileTensor* const tensor = find(name, 1, model_.layers[layer_].heads);
  const WeightId weight = vector_weight(name, tensor, query_heads);
  if (!fine()) return weight;
  std::vector<float> values(tensor->columns);
  kernels::info(tensor->format).dequantize(tensor->data.data(), values.size(), values.data());
  for (std::size_t head = 0; head < values.size(); ++head) {
    if (std::isfinite(values[head])) continue;
    fail({Code::bad_file, file_.path + ": tensor " + name + " is " + shown_value(double{values[head]}) + " for head " +
                              std::to_string(head) + "; it must be a number"});
  }
  return weight;
}

ops::AttentionShape ProgramBuilder::attention_shape(float scale, std::uint32_t window) {
  const LayerShape& layer = model_.layers[layer_];
  const auto [query_heads, kv_heads] = own_attention();
  ops::AttentionShape shape{
      layer_ - shard_.layers.first, query_heads.size(), layer.head_dim, window, scale, model_.attention_softcap, {}};
  if (has("attn_sinks.weight")) shape.sinks = sinks(query_heads);
  const std::uint32_t group = layer.heads / layer.kv_heads;
  for (std::uint32_t head = query_heads.first; head < query_heads.last; ++head) {
    shape.kv_head.push_back(static_cast<std::uint16_t>(head / group - kv_heads.first));
  }
  return shape;
}

ValueId ProgramBuilder::attention(ValueId q, float scale, std::uint32_t window) {
  if (ranks_.by_positions) return attention_by_positions(q, scale, window);
  if (!shares_attention(part_)) return attention_to(q, scale, window);
  const auto columns = head_columns(&AttentionPart::query_heads, part_.query_heads);
  const ValueId all_q = exchanged(q, columns);
  program_.sections.push_back({"attention"});
  return exchanged_back(attention_to(all_q, scale, window), columns);
}

ValueId ProgramBuilder::attention_to(ValueId q, float scale, std::uint32_t window) {
  const ops::AttentionShape shape = attention_shape(scale, window);
  const std::uint32_t blocks = kv_blocks_for(model_.context);
  const std::uint64_t places = std::uint64_t{shape.heads} * blocks * kernels::kv_block;
  if (places > UINT32_MAX) {
    fail({Code::unsupported, file_.path + ": " + std::to_string(shape.heads) + " heads with a context of " +
                                 std::to_string(model_.context) +
                                 " positions are beyond 2^32 scores a token; ask for less context"});
  }
  const ValueId scores = value("scores", ValueType::f32, static_cast<std::uint32_t>(places));
  const ValueId maxima = value("maxima", ValueType::f32, shape.heads * blocks);
  const ValueId sums = value("sums", ValueType::f32, shape.heads * blocks);
  const ValueId out = value("attention", ValueType::f32, shape.heads * shape.head_dim);
  append(ops::AttentionScores{q, scores, shape});
  append(ops::AttentionSoftmax{q, scores, maxima, sums, shape});
  append(ops::AttentionValues{q, scores, maxima, sums, out, shape});
  return out;
}

ValueId ProgramBuilder::gelu(ValueId x) {
  const ValueId y = value("ffn", ValueType::f32, program_.values[x].columns);
  append(ops::Gelu{x, y});
  return y;
}

ValueId ProgramBuilder::silu_mul(ValueId gate, ValueId up) {
  const ValueId y = value("ffn", ValueType::f32, program_.values[gate].columns);
  append(ops::SiluMul{gate, up, y});
  return y;
}

ValueId ProgramBuilder::gelu_mul(ValueId gate, ValueId up) {
  const ValueId y = value("ffn", ValueType::f32, program_.values[gate].columns);
  append(ops::GeluMul{gate, up, y});
  return y;
}

ValueId ProgramBuilder::swiglu_oai(ValueId gate, ValueId up) {
  const ValueId y = value("ffn", ValueType::f32, program_.values[gate].columns);
  append(ops::SwigluOai{gate, up, y});
  return y;
}

void ProgramBuilder::add(ValueId into, ValueId y) {
  quantized_.erase(into);
  append(ops::Add{y, into});
}

void ProgramBuilder::embed() {
  const std::string& name = model_.ends.embedding;
  embed_into(stream_, name, find(name, model_.vocabulary, model_.hidden));
  adapt(stream_, name, {0, model_.hidden}, [&](const LowRank& pair) {
    const ValueId x = value("lora_a", ValueType::f32, pair.rank);
    embed_into(x, name + ".lora_a", &pair.a);
    return x;
  });
}

void ProgramBuilder::embed_into(ValueId y, const std::string& name, const FileTensor* table) {
  Weight rows{name, Weight::Use::rows, {}};
  if (table != nullptr) {
    rows.source.format = table->format;
    rows.source.tensor = table->data.data();
    rows.source.tensor_columns = static_cast<std::uint32_t>(table->columns);
  }
  program_.weights.push_back(rows);
  append(ops::Embed{static_cast<WeightId>(program_.weights.size() - 1), y, model_.embedding_scale});
}

void ProgramBuilder::head() {
  const SpaceId wanted = add_space({.name = "wanted", .tile = logit_tile});
  append(ops::SelectWanted{wanted});
  program_.sections.push_back({"head", wanted});
  const ValueId rows = value("wanted", ValueType::f32, model_.hidden);
  append(ops::GatherRows{program_.hidden, rows});
  const std::string& norm = model_.ends.output_norm;
  const ValueId x = model_.norm == Norm::layer ? layer_normed(rows, norm) : normed(rows, norm);
  const ValueId local = column_parallel("logits", x, model_.ends.head, model_.vocabulary, shard_.vocabulary);
  if (file_.tensor("output.bias") != nullptr) {
    append(ops::Bias{local, vector_weight("output.bias", model_.vocabulary, shard_.vocabulary)});
  }
  if (model_.logit_scale != 1.0F) append(ops::Scale{local, model_.logit_scale});
  if (model_.logit_softcap != 0.0F) append(ops::Softcap{local, model_.logit_softcap});
  program_.logits = local;
  if (ranks_.size() == 1) return;
  const bool gathers = shard_.vocabulary.first == 0;  // the first rank; the others only give
  const ValueId all = value("logits", ValueType::f32, gathers ? model_.vocabulary : 0);
  program_.logits = all;
  append(ops::AllGather{local, all, stage(), program_.events});
  append(ops::Await{program_.events++, local, all});
}

Result<Program> ProgramBuilder::take() {
  if (error_) return *error_;
  return std::move(program_);
}

double magnitude_at(const Rotation& rotation, std::uint64_t position) {
  const auto [scale, length] = rotation.temperature;
  if (scale == 0.0) return rotation.factor;
  return rotation.factor * (1.0 + scale * kernels::log_f64(1.0 + static_cast<double>(position / length)));
}

std::vector<std::uint64_t> kv_block_bytes(const Program& program) {
  std::vector<std::uint64_t> bytes(program.kv_groups, 0);
  for (const KvPlace& place : program.kv) {
    const std::uint64_t end = place.offset + place.heads.size() * kernels::kv_head_bytes(place.head_dim);
    bytes[place.group] = std::max(bytes[place.group], end);
  }
  return bytes;
}

Result<Program> build_program(const Architecture& architecture, const ModelFile& file, const ModelDescription& model,
                              const GraphNode& shard, const RankGrid& ranks, std::span<const Adapter> adapters) {
  ProgramBuilder builder(file, model, shard, ranks, adapters);
  if (shard.layers.first == 0) builder.embed();
  for (std::uint32_t layer = shard.layers.first; layer < shard.layers.last && builder.fine(); ++layer) {
    builder.begin_layer(layer);
    architecture.layer(builder, model, layer);
  }
  builder.end_layers();
  if (shard.layers.last == model.layer_count()) builder.head();
  return builder.take();
}

}  // namespace troupe
