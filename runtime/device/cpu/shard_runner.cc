#include "runtime/device/cpu/shard_runner.hpp"

#include <algorithm>
#include <cstring>
#include <functional>

#include "kernels/math.hpp"
#include "runtime/device/cpu/ops.hpp"
#include "runtime/memory/kv_groups.hpp"

namespace troupe {
namespace {

std::size_t scratch_of(const Program& program) {
  return std::max<std::size_t>(program.values[program.hidden].columns, scratch_floats);
}

/// One more than the program's last layer, counted as the model counts.
std::uint32_t end_of_layers(const Program& program) {
  std::uint32_t end = 0;
  for (const Op& op : program.body) end = std::max(end, op.layer + 1);
  return end;
}

KvStore store_of(const ShardParts& parts) {
  std::vector<KvStore::Group> groups;
  for (const std::size_t bytes : kv_block_bytes(*parts.program)) {
    groups.push_back({bytes, groups.size() < parts.kv_blocks.size() ? parts.kv_blocks[groups.size()] : 0});
  }
  return KvStore(groups);
}

Error out_of_layers_range(std::uint32_t layer, std::uint8_t flag) {
  const std::string where = "layer " + std::to_string(layer) + ": ";
  if (flag == kv_overflow) {
    return {Code::out_of_range,
            where + "a key or value is not a number or beyond +-65504, more than the KV cache holds"};
  }
  return {Code::out_of_range, where + "a sum is not a number or beyond +-" +
                                  std::to_string(static_cast<long>(kernels::fixed_limit)) +
                                  ", more than the fixed-point sums of the numerics contract hold"};
}

}  // namespace

std::size_t activation_bytes(const Program& program, std::size_t rows, std::uint32_t threads, std::size_t rope_thetas) {
  return lay_out(program, rows).bytes + threads * scratch_of(program) * sizeof(float) +
         rope_thetas * rows * program.head_dim * sizeof(float);
}

Result<std::unique_ptr<ShardRunner>> ShardRunner::create(ShardParts parts) {
  const std::size_t bytes = lay_out(*parts.program, parts.rows).bytes;
  auto arena = Buffer::allocate(bytes, "a shard's activations");
  if (!arena) return arena.error();
  // Present from the start, so that no step waits for the kernel, and what is held is what activation_bytes says.
  if (bytes > 0) std::memset(arena->data(), 0, bytes);
  auto tables = SlotTables::create(parts.program->kv_groups, parts.slots, kv_blocks_for(parts.context));
  if (!tables) return tables.error();
  return std::unique_ptr<ShardRunner>(new ShardRunner(std::move(parts), std::move(*arena), std::move(*tables)));
}

ShardRunner::ShardRunner(ShardParts parts, Buffer arena, SlotTables tables)
    : parts_(std::move(parts)),
      team_(parts_.threads, parts_.policy, parts_.cores),
      state_{.program = parts_.program.get(),
             .weights = parts_.weights.get(),
             .kernels = parts_.kernels,
             .rope_style = parts_.rope_style,
             .layout = lay_out(*parts_.program, parts_.rows),
             .arena = std::move(arena),
             .kv = store_of(parts_),
             .tables = std::move(tables),
             .communicator = parts_.communicator.get(),
             .deadline = parts_.deadline,
             .team = &team_,
             .step = {},
             .scratch = {parts_.threads, std::vector<float>(scratch_of(*parts_.program))},
             .why = {}},
      layers_(end_of_layers(*parts_.program)) {
  for (const double theta : parts_.rope_thetas) {
    frequencies_.emplace_back(parts_.program->head_dim / 2);
    kernels::rope_frequencies(theta, parts_.program->head_dim, frequencies_.back().data());
  }
  state_.step.reserve(parts_.rows, layers_, frequencies_.size() * parts_.program->head_dim);
}

StepOutcome ShardRunner::run(const Step& step) {
  StepOutcome outcome{.id = step.id};
  Result<void> done = begin(step, outcome);
  if (done) done = run_body();
  report_overflow(outcome);
  if (done) done = send_hidden();
  if (done) done = run_tail(step, outcome);
  if (!done) outcome.broken = done.error();
  return outcome;
}

Result<void> ShardRunner::begin(const Step& step, StepOutcome& outcome) {
  if (parts_.logits_end) parts_.logits_end->begin(step);
  lay_rows(step);
  take_blocks(step, outcome);
  return receive_rows(step);
}

void ShardRunner::lay_rows(const Step& step) {
  StepRows& rows = state_.step;
  rows.clear();
  for (const SequenceSlice& slice : step.slices) {
    rows.slices.push_back({static_cast<std::uint32_t>(rows.rows()), slice.rows(), slice.first_position, slice.slot});
    for (std::uint32_t i = 0; i < slice.rows(); ++i) rows.positions.push_back(slice.first_position + i);
  }
  wanted_rows(step, rows.wanted);
  rows.overflow.assign(layers_ * rows.rows(), 0);
  rows.angles.resize(frequencies_.size() * rows.rows() * parts_.program->head_dim);
}

void ShardRunner::take_blocks(const Step& step, StepOutcome& outcome) {
  for (const OpenedSlot& opened : step.opened) state_.tables.open(opened.slot);
  for (std::uint32_t s = 0; s < step.slices.size(); ++s) {
    const auto taken = state_.tables.apply(step.slices[s], state_.kv);
    if (taken) continue;
    state_.step.slices[s].cached = false;
    outcome.failures.push_back({s, taken.error()});
  }
}

Result<void> ShardRunner::receive_rows(const Step& step) {
  StepRows& rows = state_.step;
  if (!parts_.tokens) return receive_hidden();
  if (auto received = parts_.tokens->receive(step.token_messages, state_.deadline); !received) return received;
  for (const SequenceSlice& slice : step.slices) {
    if (slice.tokens.empty()) rows.tokens.push_back(parts_.tokens->token(slice.slot));
    rows.tokens.insert(rows.tokens.end(), slice.tokens.begin(), slice.tokens.end());
  }
  return {};
}

/// One state flows into a group of ranks, whatever stands before it: the first rank receives it for all.
Result<void> ShardRunner::receive_hidden() {
  float* hidden = OpContext(state_, 0).f32(parts_.program->hidden);
  const std::size_t columns = parts_.program->values[parts_.program->hidden].columns;
  const transport::Tensor rows = transport::tensor_of(hidden, state_.step.rows(), columns);
  if (parts_.hidden_in) {
    if (auto received = parts_.hidden_in->receive(rows, state_.deadline); !received) return received;
  }
  if (!parts_.communicator) return {};
  return transport::ended(parts_.communicator->broadcast(rows, 0, state_.deadline), state_.deadline);
}

Result<void> ShardRunner::run_body() {
  team_.run([this](std::uint32_t thread) {
    if (compute_angles(thread)) run_ops(parts_.program->body, state_.step.rows(), 0, thread);
  });
  if (state_.why) return *state_.why;
  return {};
}

bool ShardRunner::compute_angles(std::uint32_t thread) {
  const std::size_t rows = state_.step.rows(), head_dim = parts_.program->head_dim;
  const auto [first, last] = OpContext(state_, thread).share(frequencies_.size() * rows);
  for (std::size_t i = first; i < last; ++i) {
    kernels::rope_angles(frequencies_[i / rows].data(), head_dim, state_.step.positions[i % rows],
                         state_.step.angles.data() + i * head_dim);
  }
  return team_.barrier(thread);
}

void ShardRunner::run_ops(const std::vector<Op>& ops, std::size_t rows, std::size_t first_wanted,
                          std::uint32_t thread) {
  OpContext context(state_, thread);
  context.rows = rows;
  context.first_wanted = first_wanted;
  for (; context.op < ops.size(); ++context.op) {
    const Op& op = ops[context.op];
    context.layer = op.layer;
    cpu::run_op(op, context);
    if (!team_.barrier(thread) || context.broken()) return;
  }
}

Result<void> ShardRunner::send_hidden() {
  float* hidden = OpContext(state_, 0).f32(parts_.program->hidden);
  const std::size_t columns = parts_.program->values[parts_.program->hidden].columns;
  const transport::Tensor rows = transport::tensor_of(hidden, state_.step.rows(), columns);
  for (const auto& channel : parts_.hidden_out) {
    if (auto sent = channel->send(rows, state_.deadline); !sent) return sent;
  }
  return {};
}

Result<void> ShardRunner::run_tail(const Step& step, StepOutcome& outcome) {
  if (parts_.program->tail.empty()) return {};
  const std::span<const WantedRow> wanted = state_.step.wanted;
  float* const logits = OpContext(state_, 0).f32(parts_.program->logits);
  const std::size_t vocabulary = parts_.program->values[parts_.program->logits].columns;
  for (std::size_t first = 0; first < wanted.size(); first += logit_tile) {
    const std::size_t rows = std::min<std::size_t>(logit_tile, wanted.size() - first);
    const auto tile = [&](std::uint32_t thread) { run_ops(parts_.program->tail, rows, first, thread); };
    team_.run(std::ref(tile));  // by reference, as a function of this size would be allocated
    if (state_.why) return *state_.why;
    if (parts_.logits_end) parts_.logits_end->take(step, wanted.subspan(first, rows), logits, vocabulary, outcome);
    if (parts_.logits_out) {
      auto sent = parts_.logits_out->send(transport::tensor_of(logits, rows, vocabulary), state_.deadline);
      if (!sent) return sent;
    }
  }
  if (parts_.logits_end) return parts_.logits_end->finish(step, outcome, state_.deadline);
  return {};
}

void ShardRunner::report_overflow(StepOutcome& outcome) {
  const auto& flags = state_.step.overflow;
  if (std::all_of(flags.begin(), flags.end(), [](std::uint8_t flag) { return flag == 0; })) return;
  for (std::uint32_t s = 0; s < state_.step.slices.size(); ++s) {
    const StepRows::Slice& slice = state_.step.slices[s];
    for (std::uint32_t layer = 0; layer < layers_; ++layer) {
      const std::uint8_t* const mine = OpContext(state_, 0).overflow(layer) + slice.first_row;
      const std::uint8_t flag = *std::max_element(mine, mine + slice.rows);
      if (flag == 0) continue;
      outcome.failures.push_back({s, out_of_layers_range(layer, flag)});
      break;
    }
  }
}

void ShardRunner::abort(const Error& why) {
  if (parts_.communicator) parts_.communicator->abort(why);
  if (parts_.tokens) parts_.tokens->abort(why);
  if (parts_.hidden_in) parts_.hidden_in->abort(why);
  for (const auto& channel : parts_.hidden_out) channel->abort(why);
  if (parts_.logits_end) parts_.logits_end->abort(why);
  if (parts_.logits_out) parts_.logits_out->abort(why);
}

}  // namespace troupe
