#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/program/expert_rows.hpp"
#include "runtime/program/program.hpp"
#include "runtime/program/runner.hpp"
#include "runtime/program/weights.hpp"
#include "runtime/schedule/step.hpp"
#include "runtime/tiers/prefetch_counts.hpp"
#include "runtime/tiers/stream_plan.hpp"
#include "runtime/trace/track.hpp"
#include "transport/collective/communicator.hpp"
#include "transport/deadline.hpp"
#include "transport/waiter.hpp"

namespace troupe {

/// What a device makes the runner of a shard's program from.
struct ProgramParts {
  std::shared_ptr<const Program> program;
  std::shared_ptr<const ShardWeights> weights;
  std::uint32_t rows = 0;                ///< of a step at most
  std::uint32_t slots = 1;               ///< sequences that run at once
  std::uint32_t context = 0;             ///< positions of one at most
  std::vector<std::uint32_t> kv_blocks;  ///< [groups of layers]: of all sequences together at most
  std::uint32_t threads = 1;
  std::vector<int> cores;  ///< [threads] to pin them to, or empty
  transport::WaitPolicy policy;
  transport::Deadline deadline{peer_patience};                   ///< of each wait for a peer
  std::vector<std::shared_ptr<transport::Communicator>> groups;  ///< [Program::groups]
  std::vector<std::shared_ptr<trace::Track>> tracks{};           ///< [threads], or empty: ops are not traced
  std::shared_ptr<ExpertRows> expert_rows{};                     ///< or null: not counted
  std::shared_ptr<const StreamPlan> stream{};                    ///< or null: all weights are there
  std::shared_ptr<UnitReader> reader{};                          ///< of the stream, its alone
  std::shared_ptr<PrefetchCounts> prefetches{};                  ///< of the stream
};

/// The rows of a step as the ops of one shard see them.
struct StepRows {
  struct Slice {
    std::uint32_t first_row, rows, first_position, slot;
    bool cached = true;  ///< false where a KV block could not be had: then nothing is cached or attended to, and what
                         ///< the rows come to does not count
  };
  std::vector<TokenId> tokens;           ///< [rows]; in the first stage
  std::vector<std::uint32_t> positions;  ///< [rows]
  std::vector<Slice> slices;
  std::vector<WantedRow> wanted;

  Range own;                      ///< of the rows, those whose layers this rank computes
  std::vector<Slice> own_slices;  ///< what of each slice these are; rows are counted from own.first

  [[nodiscard]] std::size_t rows() const { return positions.size(); }

  /// Once the slices stand.
  void set_own(Range rows) {
    own = rows;
    own_slices.clear();
    for (Slice slice : slices) {
      const std::uint32_t first = std::max(slice.first_row, own.first);
      const std::uint32_t last = std::min(slice.first_row + slice.rows, own.last);
      if (first >= last) continue;
      slice.first_position += first - slice.first_row;
      slice.rows = last - first;
      slice.first_row = first - own.first;
      own_slices.push_back(slice);
    }
  }

  /// For the next step; the memory stays.
  void clear() {
    tokens.clear();
    positions.clear();
    slices.clear();
    own_slices.clear();
    wanted.clear();
  }

  /// So that no step of so many rows allocates.
  void reserve(std::size_t rows) {
    tokens.reserve(rows);
    positions.reserve(rows);
    slices.reserve(rows);
    own_slices.reserve(rows);
    wanted.reserve(rows);
  }
};

/// What left its range in a row, in ProgramRunner::overflow.
inline constexpr std::uint8_t sum_overflow = 1;     ///< a leaf of a fixed-point sum: what products say, see MatmulArgs
inline constexpr std::uint8_t key_overflow = 2;     ///< it is beyond what the cache holds
inline constexpr std::uint8_t value_overflow = 3;   ///< the same
inline constexpr std::uint8_t query_overflow = 4;   ///< it is no finite number
inline constexpr std::uint8_t router_overflow = 5;  ///< the scores by which it goes to experts are no numbers

/// A shard's program on a device, with its activations and its KV blocks there. What is begun may still be under way
/// when its call returns, and what it is made from must stay as it is, until finish(). Views are of the host's memory.
/// One thread at a time, but for abort().
class ProgramRunner {
 public:
  virtual ~ProgramRunner() = default;

  /// A new sequence has the slot.
  virtual void open(std::uint32_t slot) = 0;

  /// What a slice says of its slot's KV blocks: as SlotTables::apply.
  [[nodiscard]] virtual Result<void> take_blocks(const SequenceSlice& slice) = 0;

  /// [rows, hidden]: in a stage that is not the first, where its hidden state is written before begin().
  [[nodiscard]] virtual float* hidden_in() = 0;

  /// The rows to come; `rows` is looked at until finish().
  [[nodiscard]] virtual Result<void> begin(const StepRows& rows) = 0;

  /// How many rows a space has, once the sections that say so have run.
  [[nodiscard]] virtual std::size_t count(SpaceId space) = 0;

  /// Runs one of the program's sections over the rows [first, first + rows) of its space.
  [[nodiscard]] virtual Result<void> run(const Section& section, std::size_t first, std::size_t rows) = 0;

  /// Everything that was begun has ended. What ops throw comes through, here or from what was called before.
  [[nodiscard]] virtual Result<void> finish() = 0;

  // What stands after finish(), until more is begun.

  [[nodiscard]] virtual float* hidden() = 0;  ///< [rows, hidden]
  [[nodiscard]] virtual float* logits() = 0;  ///< [rows of the last pass, columns of Program::logits]
  /// [layers, counted as the model counts][rows]: 0, or what was the first to leave its range, for the rest follows
  /// from it.
  [[nodiscard]] virtual std::span<const std::uint8_t> overflow() = 0;

  /// What it holds of the KV cache, for as long as it lives; while no step is run.
  [[nodiscard]] virtual HeldKv& kv() = 0;

  /// From any thread: whatever waits for peers fails with this error, now and from now on.
  virtual void abort(const Error& why) = 0;
};

}  // namespace troupe
