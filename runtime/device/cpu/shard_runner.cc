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
  for (const Section& section : program.sections) {
    for (const Op& op : section.ops) end = std::max(end, op.layer + 1);
  }
  return end;
}

KvStore store_of(const ShardParts& parts) {
  std::vector<KvStore::Group> groups;
  for (const std::uint64_t bytes : kv_block_bytes(*parts.program)) {
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

std::size_t activation_bytes(const Program& program, std::size_t rows, std::uint32_t threads) {
  return lay_out(program, rows).bytes + threads * scratch_of(program) * sizeof(float) +
         angle_columns(program) * rows * sizeof(float);
}

Result<std::unique_ptr<ShardRunner>> ShardRunner::create(ShardParts parts, const kernels::KernelTable& kernels) {
  const std::size_t bytes = lay_out(*parts.program, parts.rows).bytes;
  auto arena = Buffer::allocate(bytes, "a shard's activations");
  if (!arena) return arena.error();
  // Present from the start, so that no step waits for the kernel, and what is held is what activation_bytes says.
  if (bytes > 0) std::memset(arena->data(), 0, bytes);
  auto tables = SlotTables::create(parts.program->kv_groups, parts.slots, kv_blocks_for(parts.context));
  if (!tables) return tables.error();
  return std::unique_ptr<ShardRunner>(
      new ShardRunner(std::move(parts), kernels, std::move(*arena), std::move(*tables)));
}

ShardRunner::ShardRunner(ShardParts parts, const kernels::KernelTable& kernels, Buffer arena, SlotTables tables)
    : parts_(std::move(parts)),
      team_(parts_.threads, parts_.policy, parts_.cores),
      state_{.program = parts_.program.get(),
             .weights = parts_.weights.get(),
             .kernels = &kernels,
             .layout = lay_out(*parts_.program, parts_.rows),
             .arena = std::move(arena),
             .kv = store_of(parts_),
             .tables = std::move(tables),
             .groups = parts_.groups,
             .events = std::vector<transport::Event>(parts_.program->events),
             .deadline = parts_.deadline,
             .team = &team_,
             .step = {},
             .angles = {},
             .scratch = {parts_.threads, std::vector<float>(scratch_of(*parts_.program))},
             .why = {}},
      layers_(end_of_layers(*parts_.program)) {
  std::size_t columns = 0;
  for (const Rotation& rotation : parts_.program->rotations) {
    state_.angles.push_back(columns);
    columns += rotation.dims;
  }
  state_.step.reserve(*parts_.program, parts_.rows, layers_);
}

StepOutcome ShardRunner::run(const Step& step) {
  StepOutcome outcome{.id = step.id};
  Result<void> done = begin(step, outcome);
  if (done) done = run_sections(step, outcome);
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
  rows.angles.resize(angle_columns(*parts_.program) * rows.rows());
  rows.counts[0] = rows.rows();
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
  const auto group = parts_.program->hidden_group;
  if (!group) return {};
  return transport::ended(state_.groups[*group]->broadcast(rows, 0, state_.deadline), state_.deadline);
}

Result<void> ShardRunner::run_sections(const Step& step, StepOutcome& outcome) {
  const Program& program = *parts_.program;
  bool reported = false;
  const auto report = [&] {
    if (!reported) report_overflow(outcome);
    reported = true;
  };
  Result<void> done;
  for (const Section& section : program.sections) {
    const std::size_t count = state_.step.counts[section.space];
    const std::size_t tile = program.spaces[section.space].tile, pass = tile == 0 ? count : tile;
    const bool logits = program.logits && program.values[*program.logits].space == section.space;
    if (logits) report();
    for (std::size_t first = 0; done && first < count; first += pass) {
      const std::size_t rows = std::min(pass, count - first);
      done = run_pass(section, first, rows);
      if (done && logits) done = hand_on_logits(step, first, rows, outcome);
    }
  }
  report();
  if (done) done = send_hidden();
  if (done && parts_.logits_end) done = parts_.logits_end->finish(step, outcome, state_.deadline);
  return done;
}

Result<void> ShardRunner::run_pass(const Section& section, std::size_t first, std::size_t rows) {
  const bool begins = &section == &parts_.program->sections.front();
  const auto pass = [&](std::uint32_t thread) {
    if (!begins || compute_angles(thread)) run_ops(section.ops, first, rows, thread);
  };
  team_.run(std::ref(pass));  // by reference, as a function of this size would be allocated
  if (state_.why) return *state_.why;
  return {};
}

/// The rows of all rotations are shared out as one row of work.
bool ShardRunner::compute_angles(std::uint32_t thread) {
  const auto& rotations = parts_.program->rotations;
  const std::size_t rows = state_.step.rows();
  const OpContext context(state_, thread);
  const auto [first, last] = context.share(rotations.size() * rows);
  for (std::size_t i = first; i < last; ++i) {
    const auto rotation = static_cast<std::uint32_t>(i / rows);
    kernels::rope_angles(rotations[rotation].frequencies.data(), rotations[rotation].dims,
                         state_.step.positions[i % rows], context.angles(rotation, i % rows));
  }
  return team_.barrier(thread);
}

void ShardRunner::run_ops(const std::vector<Op>& ops, std::size_t first, std::size_t rows, std::uint32_t thread) {
  OpContext context(state_, thread);
  context.first = first;
  context.rows = rows;
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

Result<void> ShardRunner::hand_on_logits(const Step& step, std::size_t first, std::size_t rows, StepOutcome& outcome) {
  const ValueId id = *parts_.program->logits;
  float* const logits = OpContext(state_, 0).f32(id);
  const std::size_t vocabulary = parts_.program->values[id].columns;
  const auto wanted = std::span<const WantedRow>(state_.step.wanted).subspan(first, rows);
  if (parts_.logits_end) parts_.logits_end->take(step, wanted, logits, vocabulary, outcome);
  if (parts_.logits_out)
    return parts_.logits_out->send(transport::tensor_of(logits, rows, vocabulary), state_.deadline);
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
  for (const auto& group : parts_.groups) group->abort(why);
  if (parts_.tokens) parts_.tokens->abort(why);
  if (parts_.hidden_in) parts_.hidden_in->abort(why);
  for (const auto& channel : parts_.hidden_out) channel->abort(why);
  if (parts_.logits_end) parts_.logits_end->abort(why);
  if (parts_.logits_out) parts_.logits_out->abort(why);
}

}  // namespace troupe
