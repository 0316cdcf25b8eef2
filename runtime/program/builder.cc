#include "runtime/program/builder.hpp"

#include "kernels/kv_layout.hpp"
#include "runtime/memory/kv_groups.hpp"

namespace troupe {
namespace {

Range scaled(Range range, std::uint32_t units) { return {range.first * units, range.last * units}; }

/// The KV heads that query heads [first, last) read.
Range kv_heads_of(Range heads, const ModelDescription& model) {
  const std::uint32_t group = model.heads / model.kv_heads;
  return {heads.first / group, (heads.last - 1) / group + 1};
}

}  // namespace

ProgramBuilder::ProgramBuilder(const ModelFile& file, const ModelDescription& model, const GraphNode& shard,
                               std::uint32_t ranks)
    : file_(file),
      model_(model),
      shard_(shard),
      ranks_(ranks),
      query_heads_(scaled(shard.attention, model.attention_leaves().units)),
      kv_heads_(kv_heads_of(query_heads_, model)),
      ffn_columns_(scaled(shard.ffn, model.ffn_leaves().units * 32)) {
  program_.hidden = value("hidden", ValueType::f32, model.hidden);
  place_kv();
  program_.kv_heads = kv_heads_.size();
  program_.head_dim = model.head_dim;
}

void ProgramBuilder::place_kv() {
  const KvGroups groups = kv_groups(model_);
  program_.kv_groups = static_cast<std::uint32_t>(groups.windows.size());
  std::vector<std::size_t> ends(groups.windows.size(), 0);
  for (std::uint32_t layer = shard_.layers.first; layer < shard_.layers.last; ++layer) {
    const std::uint32_t group = groups.of_layer[layer];
    program_.kv.push_back({group, ends[group], kv_heads_.size(), model_.head_dim});
    ends[group] += kv_heads_.size() * kernels::kv_head_bytes(model_.head_dim);
  }
}

ValueId ProgramBuilder::value(std::string name, ValueType type, std::uint32_t columns) {
  program_.values.push_back({std::move(name), type, columns});
  return static_cast<ValueId>(program_.values.size() - 1);
}

void ProgramBuilder::append(ops::Any what) {
  (in_tail_ ? program_.tail : program_.body).push_back({layer_, std::move(what)});
}

void ProgramBuilder::fail(Error error) {
  if (!error_) error_ = std::move(error);
}

std::string ProgramBuilder::in_layer(std::string_view weight) const {
  return "blk." + std::to_string(layer_) + "." + std::string(weight);
}

const FileTensor* ProgramBuilder::find(const std::string& name, std::uint64_t rows, std::uint64_t columns) {
  const FileTensor* tensor = file_.tensor(name);
  if (tensor == nullptr) {
    fail({Code::bad_file, file_.path + ": tensor " + name + " is missing"});
    return nullptr;
  }
  if (tensor->rows == rows && tensor->columns == columns) return tensor;
  const auto shape = [](std::uint64_t r, std::uint64_t c) { return std::to_string(r) + " x " + std::to_string(c); };
  fail({Code::bad_file, file_.path + ": tensor " + name + " is " + shape(tensor->rows, tensor->columns) +
                            " (rows x columns); the model's numbers ask for " + shape(rows, columns)});
  return nullptr;
}

WeightId ProgramBuilder::vector_weight(std::string_view name, std::uint32_t columns) {
  const std::string full(name);
  const FileTensor* tensor = find(full, 1, columns);
  if (tensor != nullptr && tensor->format != kernels::Format::f32) {
    fail({Code::unsupported, file_.path + ": tensor " + full + " is " +
                                 std::string(kernels::info(tensor->format).name) + "; vectors must be F32"});
  }
  Weight weight{full, Weight::Use::vector, {}};
  weight.source.tensor = tensor == nullptr ? nullptr : tensor->data.data();
  weight.source.tensor_columns = columns;
  program_.weights.push_back(weight);
  return static_cast<WeightId>(program_.weights.size() - 1);
}

WeightId ProgramBuilder::matrix_weight(const std::string& name, std::uint32_t rows, std::uint32_t columns, Range part,
                                       Range leaves, std::uint32_t leaf_columns) {
  const FileTensor* tensor = find(name, rows, columns);
  Weight weight{name, Weight::Use::matrix, {}};
  if (tensor != nullptr) {
    weight.source = {tensor->format, tensor->data.data(),         columns,       part.first,
                     part.size(),    leaves.first * leaf_columns, leaves.size(), leaf_columns};
  }
  program_.weights.push_back(weight);
  return static_cast<WeightId>(program_.weights.size() - 1);
}

ValueId ProgramBuilder::rms_norm(ValueId x, std::string_view weight) {
  const std::uint32_t columns = program_.values[x].columns;
  const ValueId y = value("norm", ValueType::f32, columns);
  const WeightId scale = vector_weight(in_tail_ ? std::string(weight) : in_layer(weight), columns);
  append(ops::RmsNorm{x, scale, y, model_.norm_epsilon});
  return y;
}

ValueId ProgramBuilder::head_norm(ValueId x, std::string_view weight) {
  const std::uint32_t columns = program_.values[x].columns;
  const ValueId y = value("head_norm", ValueType::f32, columns);
  const WeightId scale = vector_weight(in_layer(weight), model_.head_dim);
  append(ops::HeadNorm{x, scale, y, model_.norm_epsilon, columns / model_.head_dim, model_.head_dim});
  return y;
}

ValueId ProgramBuilder::quantize(ValueId x) {
  const ValueId y = value("q8", ValueType::q8, program_.values[x].columns);
  append(ops::Quantize{x, y});
  return y;
}

ValueId ProgramBuilder::matmul(ValueId x, std::string_view weight, Rows rows) {
  const std::uint32_t head_dim = model_.head_dim;
  const Range part = rows == Rows::query_heads ? scaled(query_heads_, head_dim)
                     : rows == Rows::kv_heads  ? scaled(kv_heads_, head_dim)
                                               : ffn_columns_;
  const std::uint32_t all = rows == Rows::query_heads ? model_.heads * head_dim
                            : rows == Rows::kv_heads  ? model_.kv_heads * head_dim
                                                      : model_.ffn;
  const std::uint32_t columns = program_.values[x].columns;
  const ValueId y = value(std::string(weight.substr(0, weight.find('.'))), ValueType::f32, part.size());
  append(ops::Matmul{x, {{matrix_weight(in_layer(weight), all, columns, part, {0, 1}, columns), y}}});
  return y;
}

ValueId ProgramBuilder::row_parallel(ValueId x, std::string_view weight, Cut cut) {
  const Leaves leaves = cut == Cut::attention ? model_.attention_leaves() : model_.ffn_leaves();
  const std::uint32_t leaf_columns = leaves.units * (cut == Cut::attention ? model_.head_dim : 32);
  const Range part = cut == Cut::attention ? shard_.attention : shard_.ffn;
  const ValueId partial = value("partial", ValueType::fixed, model_.hidden);
  const WeightId matrix = matrix_weight(in_layer(weight), model_.hidden, leaves.count * leaf_columns,
                                        {0, model_.hidden}, part, leaf_columns);
  append(ops::MatmulPartial{x, matrix, partial});
  if (ranks_ > 1) append(ops::AllReduce{partial});
  const ValueId sum = value("sum", ValueType::f32, model_.hidden);
  append(ops::FromFixed{partial, sum});
  return sum;
}

void ProgramBuilder::rope(ValueId x, std::uint32_t theta) {
  append(ops::Rope{x, program_.values[x].columns / model_.head_dim, model_.head_dim, theta});
}

void ProgramBuilder::kv_append(ValueId k, ValueId v) { append(ops::KvAppend{k, v, layer_ - shard_.layers.first}); }

ops::AttentionShape ProgramBuilder::attention_shape(float scale, std::uint32_t window) const {
  ops::AttentionShape shape{layer_ - shard_.layers.first, query_heads_.size(), model_.head_dim, window, scale, {}};
  const std::uint32_t group = model_.heads / model_.kv_heads;
  for (std::uint32_t head = query_heads_.first; head < query_heads_.last; ++head) {
    shape.kv_head.push_back(static_cast<std::uint16_t>(head / group - kv_heads_.first));
  }
  return shape;
}

ValueId ProgramBuilder::attention(ValueId q, float scale, std::uint32_t window) {
  const std::uint32_t heads = query_heads_.size();
  const auto blocks = static_cast<std::uint32_t>((model_.context + kernels::kv_block - 1) / kernels::kv_block);
  const std::uint64_t places = std::uint64_t{heads} * blocks * kernels::kv_block;
  if (places > UINT32_MAX) {
    fail({Code::unsupported, file_.path + ": " + std::to_string(heads) + " heads with a context of " +
                                 std::to_string(model_.context) +
                                 " positions are beyond 2^32 scores a token; ask for less context"});
  }
  const ValueId scores = value("scores", ValueType::f32, static_cast<std::uint32_t>(places));
  const ValueId maxima = value("maxima", ValueType::f32, heads * blocks);
  const ValueId sums = value("sums", ValueType::f32, heads * blocks);
  const ValueId out = value("attention", ValueType::f32, heads * model_.head_dim);
  const ops::AttentionShape shape = attention_shape(scale, window);
  append(ops::AttentionScores{q, scores, shape});
  append(ops::AttentionSoftmax{q, scores, maxima, sums, shape});
  append(ops::AttentionValues{q, scores, maxima, sums, out, shape});
  return out;
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

void ProgramBuilder::add(ValueId into, ValueId y) { append(ops::Add{y, into}); }

void ProgramBuilder::embed(std::string_view weight) {
  const std::string name(weight);
  const FileTensor* tensor = find(name, model_.vocabulary, model_.hidden);
  Weight rows{name, Weight::Use::rows, {}};
  if (tensor != nullptr) {
    rows.source.format = tensor->format;
    rows.source.tensor = tensor->data.data();
    rows.source.tensor_columns = model_.hidden;
  }
  program_.weights.push_back(rows);
  append(ops::Embed{static_cast<WeightId>(program_.weights.size() - 1), program_.hidden, model_.embedding_scale});
}

void ProgramBuilder::head(std::string_view norm) {
  in_tail_ = true;
  const ValueId rows = value("wanted", ValueType::f32, model_.hidden);
  append(ops::GatherRows{program_.hidden, rows});
  const ValueId x = quantize(rms_norm(rows, norm));
  const ValueId local = value("logits", ValueType::f32, shard_.vocabulary.size());
  const WeightId matrix =
      matrix_weight(model_.head_tensor, model_.vocabulary, model_.hidden, shard_.vocabulary, {0, 1}, model_.hidden);
  append(ops::Matmul{x, {{matrix, local}}});
  program_.logits = local;
  if (ranks_ == 1) return;
  const bool gathers = shard_.vocabulary.first == 0;  // the first rank; the others only give
  program_.logits = value("logits", ValueType::f32, gathers ? model_.vocabulary : 0);
  append(ops::AllGather{local, program_.logits});
}

Result<Program> ProgramBuilder::take() {
  if (error_) return *error_;
  return std::move(program_);
}

std::vector<std::size_t> kv_block_bytes(const Program& program) {
  std::vector<std::size_t> bytes(program.kv_groups, 0);
  for (const KvPlace& place : program.kv) {
    bytes[place.group] =
        std::max(bytes[place.group], place.offset + place.heads * kernels::kv_head_bytes(place.head_dim));
  }
  return bytes;
}

Result<Program> build_program(const Architecture& architecture, const ModelFile& file, const ModelDescription& model,
                              const GraphNode& shard, std::uint32_t ranks) {
  ProgramBuilder builder(file, model, shard, ranks);
  if (shard.layers.first == 0) builder.embed("token_embd.weight");
  for (std::uint32_t layer = shard.layers.first; layer < shard.layers.last; ++layer) {
    builder.begin_layer(layer);
    architecture.layer(builder, model, layer);
  }
  if (shard.layers.last == model.layers) builder.head("output_norm.weight");
  return builder.take();
}

}  // namespace troupe
