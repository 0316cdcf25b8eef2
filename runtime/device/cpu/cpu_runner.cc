#include "runtime/device/cpu/cpu_runner.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <utility>

#include "kernels/math.hpp"
#include "runtime/device/cpu/ops.hpp"
#include "runtime/memory/kv_groups.hpp"

namespace troupe {
namespace {

constexpr std::uint32_t no_unit = UINT32_MAX;

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

/// Those that meet other ranks, and do nothing else.
trace::Kind kind_of(const Op& op) {
  const auto meets = [](const auto& what) {
    return requires { what.done; };
  };
  return std::visit(meets, op.what) || std::holds_alternative<ops::PlanExchange>(op.what) ? trace::Kind::transfer
                                                                                          : trace::Kind::compute;
}

KvStore store_of(const ProgramParts& parts) {
  std::vector<KvStore::Group> groups;
  for (const std::uint64_t bytes : kv_block_bytes(*parts.program)) {
    groups.push_back({bytes, groups.size() < parts.kv_blocks.size() ? parts.kv_blocks[groups.size()] : 0});
  }
  return KvStore(groups, parts.program->kv);
}

}  // namespace

std::size_t activation_bytes(const Program& program, std::size_t rows, std::uint32_t threads) {
  return lay_out(program, rows).bytes + threads * scratch_of(program) * sizeof(float) +
         angle_columns(program) * rows * sizeof(float) + routing_bytes(program, rows) + node_plan_bytes(program, rows);
}

Result<std::unique_ptr<CpuRunner>> CpuRunner::create(ProgramParts parts, const kernels::KernelTable& kernels) {
  Layout layout = lay_out(*parts.program, parts.rows);
  auto arena = Buffer::allocate(layout.bytes, "a shard's activations");
  if (!arena) return arena.error();
  // Present from the start, so that no step waits for the kernel, and what is held is what activation_bytes says.
  if (layout.bytes > 0) std::memset(arena->data(), 0, layout.bytes);
  auto tables = SlotTables::create(parts.program->kv_groups, parts.slots, kv_blocks_for(parts.context));
  if (!tables) return tables.error();
  auto runner = std::unique_ptr<CpuRunner>(
      new CpuRunner(std::move(parts), kernels, std::move(layout), std::move(*arena), std::move(*tables)));
  if (auto made = runner->make_streams(); !made) return made.error();
  return runner;
}

CpuRunner::CpuRunner(ProgramParts parts, const kernels::KernelTable& kernels, Layout layout, Buffer arena,
                     SlotTables tables)
    : parts_(std::move(parts)),
      team_(parts_.threads, parts_.policy, parts_.cores, {parts_.tracks.begin(), parts_.tracks.end()}),
      state_{.program = parts_.program.get(),
             .weights = parts_.weights->weights,
             .kernels = &kernels,
             .layout = std::move(layout),
             .arena = std::move(arena),
             .kv = store_of(parts_),
             .tables = std::move(tables),
             .groups = std::move(parts_.groups),
             .events = std::vector<transport::Event>(parts_.program->events),
             .tracks = std::move(parts_.tracks),
             .deadline = parts_.deadline,
             .expert_rows = parts_.expert_rows.get(),
             .team = &team_,
             .counts = std::vector<std::size_t>(parts_.program->spaces.size()),
             .node_plans = node_plans(*parts_.program, parts_.rows),
             .scratch = {parts_.threads, std::vector<float>(scratch_of(*parts_.program))},
             .why = {}},
      layers_(end_of_layers(*parts_.program)) {
  std::size_t columns = 0;
  for (const Rotation& rotation : parts_.program->rotations) {
    state_.angles_of.push_back(columns);
    columns += rotation.dims;
  }
  state_.angles.reserve(columns * parts_.rows);  // so that no step allocates
  state_.overflow.reserve(layers_ * parts_.rows);
  state_.routing.reserve(*parts_.program, parts_.rows);
  state_.gives.reserve(parts_.program->row_ranks);
  state_.takes.reserve(parts_.program->row_ranks);
}

Result<void> CpuRunner::make_streams() {
  if (parts_.stream == nullptr) return {};
  if (!parts_.stream->experts.empty()) {
    auto cache = ExpertCache::create(parts_.program, parts_.stream, parts_.reader, state_.weights, parts_.prefetches);
    if (!cache) return cache.error();
    expert_cache_ = std::move(*cache);
    state_.expert_cache = expert_cache_.get();
  }
  if (parts_.stream->layers.empty()) return {};
  const Program& program = *parts_.program;
  std::vector<std::uint32_t> unit_of(program.weights.size(), no_unit);
  for (std::uint32_t unit = 0; unit < parts_.stream->layers.size(); ++unit) {
    for (const WeightId id : parts_.stream->layers[unit].weights) unit_of[id] = unit;
  }
  for (const Section& section : program.sections) {
    std::vector<std::uint32_t>& units = units_.emplace_back(section.ops.size(), no_unit);
    for (std::size_t i = 0; i < section.ops.size(); ++i) {
      for_each_weight(section.ops[i], [&](WeightId id) { units[i] = std::min(units[i], unit_of[id]); });
    }
  }
  auto stream = WeightStream::create(parts_.program, parts_.stream, parts_.reader, state_.weights, parts_.prefetches);
  if (!stream) return stream.error();
  stream_ = std::move(*stream);
  return {};
}

Result<void> CpuRunner::begin(const StepRows& rows) {
  begun_ = true;
  if (stream_ != nullptr) stream_->end_step();
  state_.step = &rows;
  for (std::size_t thread = 1; thread < state_.tracks.size(); ++thread)
    state_.tracks[thread]->follow(*state_.tracks[0]);
  state_.counts[0] = rows.rows();
  if (parts_.program->own_rows != 0) state_.counts[parts_.program->own_rows] = rows.own.size();
  state_.overflow.assign(layers_ * rows.rows(), 0);
  state_.angles.resize(angle_columns(*parts_.program) * rows.rows());
  return {};
}

Result<void> CpuRunner::run_ops(const Section& section, std::size_t from, std::size_t to, std::size_t first,
                                std::size_t rows) {
  const bool begins = std::exchange(begun_, false);
  const std::uint32_t* const units =
      stream_ == nullptr ? nullptr : units_[&section - parts_.program->sections.data()].data();
  const auto pass = [&](std::uint32_t thread) {
    OpContext context(state_, thread);
    trace::Laps laps(context.track());
    if (begins && !compute_angles(thread)) return;
    if (begins && laps.on()) laps.end("rope_angles", trace::Kind::compute);
    context.first = first;
    context.rows = rows;
    if (section.space == 0) {
      context.slices = state_.step->slices;
      context.flags = state_.overflow.data();
    } else if (section.space == parts_.program->own_rows) {
      context.base = state_.step->own.first;
      context.slices = state_.step->own_slices;
      context.flags = state_.overflow.data() + context.base;
    }
    for (context.op = from; context.op < to; ++context.op) {
      const Op& op = section.ops[context.op];
      context.layer = op.layer;
      if (units != nullptr && units[context.op] != no_unit && !await_weights(context, units[context.op])) return;
      cpu::run_op(op, context);
      if (!team_.barrier(thread) || context.broken()) return;
      if (laps.on()) laps.end(name_of(op).data(), kind_of(op), op.layer);
    }
  };
  team_.run(std::ref(pass));  // by reference, as a function of this size would be allocated
  if (state_.why) return *state_.why;
  return {};
}

/// Thread 0 waits for all; what they have read before is given up, for all come from a barrier. False where the step
/// cannot go on.
bool CpuRunner::await_weights(const OpContext& context, std::uint32_t unit) {
  if (context.thread() == 0) {
    if (const auto came = stream_->await(unit, state_.deadline); !came) context.fail(came.error());
  }
  return team_.barrier(context.thread()) && !context.broken();
}

/// The rows of all rotations are shared out as one row of work.
bool CpuRunner::compute_angles(std::uint32_t thread) {
  const auto& rotations = parts_.program->rotations;
  const std::size_t rows = state_.step->rows();
  const OpContext context(state_, thread);
  const auto [first, last] = context.share(rotations.size() * rows);
  for (std::size_t i = first; i < last; ++i) {
    const auto rotation = static_cast<std::uint32_t>(i / rows);
    const Rotation& of = rotations[rotation];
    const std::uint64_t position = state_.step->positions[i % rows];
    kernels::rope_angles(of.frequencies.data(), of.dims, position, magnitude_at(of, position),
                         context.angles(rotation, i % rows));
  }
  return team_.barrier(thread);
}

void CpuRunner::abort(const Error& why) {
  for (const auto& group : state_.groups) group->abort(why);
}

}  // namespace troupe
