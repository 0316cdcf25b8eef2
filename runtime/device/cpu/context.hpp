#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "kernels/table.hpp"
#include "runtime/device/cpu/node_plan.hpp"
#include "runtime/device/cpu/routing.hpp"
#include "runtime/device/cpu/team.hpp"
#include "runtime/device/program_runner.hpp"
#include "runtime/memory/kv_store.hpp"
#include "runtime/memory/slot_tables.hpp"
#include "runtime/program/expert_rows.hpp"
#include "runtime/program/layout.hpp"
#include "runtime/program/program.hpp"
#include "runtime/program/weights.hpp"
#include "runtime/tiers/expert_cache.hpp"
#include "transport/collective/communicator.hpp"

namespace troupe {

/// Floats of each thread's scratch, where fused ops keep what the plain ones would have written; at least a row of
/// hidden.
inline constexpr std::size_t scratch_floats = 24576;

/// What the rotations of a row take together.
[[nodiscard]] inline std::size_t angle_columns(const Program& program) {
  std::size_t columns = 0;
  for (const Rotation& rotation : program.rotations) columns += rotation.dims;
  return columns;
}

/// What one shard works with, step after step. The threads of its team share it.
struct ShardState {
  const Program* program = nullptr;
  std::vector<LoadedWeight> weights;  ///< [Program::weights]
  const kernels::KernelTable* kernels = nullptr;
  Layout layout;
  Buffer arena;
  KvStore kv;
  SlotTables tables;
  std::vector<std::shared_ptr<transport::Communicator>> groups;  ///< [Program::groups]; behind what they write into
  std::vector<transport::Event> events;                          ///< [Program::events]
  std::vector<std::shared_ptr<trace::Track>> tracks;             ///< [threads], or empty
  transport::Deadline deadline;                                  ///< of each wait for a peer
  ExpertRows* expert_rows = nullptr;
  ExpertCache* expert_cache = nullptr;  ///< null: all experts are in memory
  Team* team = nullptr;
  const StepRows* step = nullptr;
  std::vector<std::size_t> counts{};             ///< [spaces]: rows of each
  std::vector<std::size_t> gives{}, takes{};     ///< [ranks]: of an exchange that begins
  Routing routing{};                             ///< of the layer whose experts are at work
  std::vector<NodePlan> node_plans{};            ///< where ranks share out positions
  std::vector<float> angles{};                   ///< [rotations][rows][dims]: cosines, then sines
  std::vector<std::size_t> angles_of{};          ///< [rotations]: columns of the angles before its own
  std::vector<std::uint8_t> overflow{};          ///< [layers][rows]: see ProgramRunner::overflow
  std::vector<std::vector<float>> scratch;       ///< [threads]
  std::atomic<std::size_t> broken_at{SIZE_MAX};  ///< the op at which nothing counts any more; see OpContext::fail
  std::optional<Error> why;                      ///< set before `broken_at`, by thread 0
};

/// What one thread of the team knows while it runs an op.
class OpContext {
 public:
  OpContext(ShardState& shard, std::uint32_t thread) : shard_(shard), thread_(thread) {}

  /// The rows that this pass works on, of its section's space: [first, first + rows).
  std::size_t rows = 0, first = 0;
  std::size_t base = 0;  ///< where they are this rank's own: which of the step's the first is
  // Where the rows are the step's, or this rank's own; else there are none.
  std::span<const StepRows::Slice> slices{};  ///< what of each slice they are
  std::uint8_t* flags = nullptr;              ///< see overflow()
  std::size_t op = 0;                         ///< of the section, counted from 0
  std::uint32_t layer = 0;                    ///< of the op, as the model counts

  [[nodiscard]] ShardState& shard() const { return shard_; }
  [[nodiscard]] const StepRows& step() const { return *shard_.step; }
  [[nodiscard]] const kernels::KernelTable& kernels() const { return *shard_.kernels; }
  [[nodiscard]] std::uint32_t thread() const { return thread_; }
  /// This thread's, or null.
  [[nodiscard]] trace::Track* track() const { return shard_.tracks.empty() ? nullptr : shard_.tracks[thread_].get(); }
  [[nodiscard]] std::uint32_t threads() const { return shard_.team->threads(); }
  void barrier() const { (void)shard_.team->barrier(thread_); }  // a broken one ends the op's own as well

  [[nodiscard]] std::uint32_t columns(ValueId id) const { return shard_.program->values[id].columns; }
  [[nodiscard]] ValueType type(ValueId id) const { return shard_.program->values[id].type; }
  [[nodiscard]] float* f32(ValueId id, std::size_t row = 0) const { return at<float>(id, row); }
  [[nodiscard]] kernels::Q8Block* q8(ValueId id, std::size_t row = 0) const { return at<kernels::Q8Block>(id, row); }
  [[nodiscard]] std::byte* bytes(ValueId id, std::size_t row = 0) const { return at<std::byte>(id, row); }
  [[nodiscard]] std::size_t row_bytes(ValueId id) const { return troupe::row_bytes(shard_.program->values[id]); }
  /// For this thread's share of the pass's rows: y's row i is x's row from(i).
  template <class From>
  void copy_rows(ValueId x, ValueId y, const From& from) const {
    const auto [begin, end] = share(rows);
    for (std::size_t i = begin; i < end; ++i) std::memcpy(bytes(y, i), bytes(x, from(i)), row_bytes(y));
  }
  /// What a product reads from a row on: a value that is quantised, or one that is not for float weights.
  void set_input(kernels::MatmulArgs& args, ValueId id, std::size_t row = 0) const {
    args.in = bytes(id, row);
    args.in_stride = type(id) == ValueType::q8 ? columns(id) / kernels::block_columns : columns(id);
  }
  [[nodiscard]] std::int64_t* fixed(ValueId id, std::size_t row = 0) const { return at<std::int64_t>(id, row); }
  /// [dims / 2] cosines, then sines, of a row.
  [[nodiscard]] float* angles(std::uint32_t rotation, std::size_t row) const {
    const std::size_t dims = shard_.program->rotations[rotation].dims;
    return shard_.angles.data() + step().rows() * shard_.angles_of[rotation] + (base + row) * dims;
  }
  [[nodiscard]] const LoadedWeight& weight(WeightId id) const { return shard_.weights[id]; }
  /// Where one of the shard's layers finds the KV blocks of a slice's sequence: see SlotTables::blocks.
  [[nodiscard]] std::byte* const* kv_blocks(const StepRows::Slice& slice, KvId kv) const {
    return shard_.tables.blocks(shard_.program->kv[kv].group, slice.slot);
  }
  [[nodiscard]] std::size_t kv_offset(KvId kv) const { return shard_.program->kv[kv].offset; }
  [[nodiscard]] NodePlan& node_plan(std::uint32_t window) const {
    return *std::ranges::find(shard_.node_plans, window, &NodePlan::window);
  }
  [[nodiscard]] float* scratch() const { return shard_.scratch[thread_].data(); }

  struct Share {
    std::size_t first, last;
  };
  /// This thread's contiguous part of n equal pieces of work.
  [[nodiscard]] Share share(std::size_t n) const { return {n * thread_ / threads(), n * (thread_ + 1) / threads()}; }

  /// [rows]: where the products of the op's layer, whose rows are the step's or this rank's own, leave word of sums
  /// that are out of range.
  [[nodiscard]] std::uint8_t* overflow() const { return flags + layer * step().rows(); }
  /// And where other ops do: `what` a row has out of range, if nothing came before it. One thread a row.
  void flag(std::size_t row, std::uint8_t what) const {
    std::uint8_t& flag = overflow()[row];
    if (flag == 0) flag = what;
  }

  /// For thread 0: a collective that was begun, and its end.
  void begin(EventId event, const Result<transport::Event>& begun) const {
    if (!begun) return fail(begun.error());
    shard_.events[event] = *begun;
  }
  void end(EventId event) const { end(shard_.events[event]); }
  void end(const Result<transport::Event>& begun) const {
    if (const auto ended = transport::ended(begun, shard_.deadline); !ended) fail(ended.error());
  }

  /// For thread 0: the step cannot go on. It ends behind this op's barrier for the whole team: a thread that is only
  /// just leaving an earlier op's barrier must not end there, because the others would wait for it at this one.
  void fail(Error why) const {
    if (!shard_.why) shard_.why = std::move(why);
    shard_.broken_at.store(op, std::memory_order_relaxed);  // the team's barriers order it, and `why`
  }
  /// Relaxed: behind an op's barrier, it holds what was stored before it.
  [[nodiscard]] bool broken() const { return shard_.broken_at.load(std::memory_order_relaxed) <= op; }

 private:
  template <class T>
  [[nodiscard]] T* at(ValueId id, std::size_t row) const {
    std::byte* const value = shard_.arena.data() + shard_.layout.offsets[id];
    return reinterpret_cast<T*>(value + row * row_bytes(id));
  }

  ShardState& shard_;
  std::uint32_t thread_;
};

}  // namespace troupe
