#pragma once

#include <memory>

#include "runtime/device/cpu/context.hpp"
#include "runtime/device/program_runner.hpp"
#include "runtime/tiers/expert_cache.hpp"
#include "runtime/tiers/weight_stream.hpp"

namespace troupe {

/// Bytes of the arena and scratch that a program's runner allocates, beside its weights and KV blocks.
[[nodiscard]] std::size_t activation_bytes(const Program& program, std::size_t rows, std::uint32_t threads);

/// A program on this processor, on the caller's thread and threads - 1 of its own. All is done when a call returns.
class CpuRunner : public ProgramRunner {
 public:
  /// `kernels` must outlive it.
  [[nodiscard]] static Result<std::unique_ptr<CpuRunner>> create(ProgramParts parts,
                                                                 const kernels::KernelTable& kernels);
  void open(std::uint32_t slot) override { state_.tables.open(slot); }
  [[nodiscard]] Result<void> take_blocks(const SequenceSlice& slice) override {
    return state_.tables.apply(slice, state_.kv);
  }
  [[nodiscard]] float* hidden_in() override { return floats(parts_.program->hidden); }
  [[nodiscard]] Result<void> begin(const StepRows& rows) override;
  [[nodiscard]] std::size_t count(SpaceId space) override { return state_.counts[space]; }
  [[nodiscard]] Result<void> run(const Section& section, std::size_t first, std::size_t rows) override {
    return run_ops(section, 0, section.ops.size(), first, rows);
  }
  [[nodiscard]] Result<void> finish() override {
    if (stream_ != nullptr) stream_->end_step();  // only the head may be left, which is in memory
    return {};
  }
  [[nodiscard]] float* hidden() override { return floats(parts_.program->hidden); }
  [[nodiscard]] float* logits() override { return floats(*parts_.program->logits); }
  [[nodiscard]] std::span<const std::uint8_t> overflow() override { return state_.overflow; }
  [[nodiscard]] HeldKv& kv() override { return state_.kv; }
  void abort(const Error& why) override;

  /// As run, of the ops [from, to) alone.
  [[nodiscard]] Result<void> run_ops(const Section& section, std::size_t from, std::size_t to, std::size_t first,
                                     std::size_t rows);

  /// Where a value lies.
  [[nodiscard]] std::byte* value(ValueId id) { return state_.arena.data() + state_.layout.offsets[id]; }

 private:
  CpuRunner(ProgramParts parts, const kernels::KernelTable& kernels, Layout layout, Buffer arena, SlotTables tables);
  [[nodiscard]] float* floats(ValueId id) { return reinterpret_cast<float*>(value(id)); }
  [[nodiscard]] bool compute_angles(std::uint32_t thread);
  [[nodiscard]] Result<void> make_streams();
  [[nodiscard]] bool await_weights(const OpContext& context, std::uint32_t unit);

  ProgramParts parts_;
  Team team_;
  ShardState state_;
  std::uint32_t layers_ = 0;                       ///< past the program's last
  bool begun_ = false;                             ///< a step, of which no op has run
  std::vector<std::vector<std::uint32_t>> units_;  ///< [sections][ops]: the stream's unit that it reads, or none
  std::unique_ptr<WeightStream> stream_;           ///< or null; it writes into the state
  std::unique_ptr<ExpertCache> expert_cache_;      ///< the same
};

}  // namespace troupe
