#pragma once

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/table.hpp"
#include "runtime/device/cpu/cpu_runner.hpp"
#include "runtime/device/shard_runner.hpp"
#include "tests/packed_program.hpp"
#include "tests/transport/ends.hpp"

namespace troupe::testing {

/// A group in which nobody else is.
struct Alone : transport::Communicator {
  [[nodiscard]] int rank() const override { return 0; }
  [[nodiscard]] int size() const override { return 1; }
  Result<transport::Event> all_reduce(transport::Tensor, transport::Tensor, transport::Deadline) override {
    return transport::Event{};
  }
  Result<transport::Event> reduce_scatter(transport::Tensor, transport::Tensor, transport::Deadline) override {
    return transport::Event{};
  }
  Result<transport::Event> all_gather(transport::Tensor, transport::Tensor, transport::Deadline) override {
    return transport::Event{};
  }
  Result<transport::Event> all_to_all(transport::Tensor, std::span<const std::size_t>, transport::Tensor,
                                      std::span<const std::size_t>, transport::Deadline) override {
    return transport::Event{};
  }
  Result<transport::Event> broadcast(transport::Tensor, int, transport::Deadline) override {
    return transport::Event{};
  }
  void abort(Error) override {}
};

/// A shard of the first stage whose program a test writes op by op, over kernels that it may replace. The hidden state
/// of a row is its token's entry in `table`, all over; with as many threads as rows, each has one.
struct Shard {
  static constexpr ValueId hidden = 0, y = 1, fixed = 2;
  kernels::KernelTable kernels = *kernels::find_table();
  std::vector<float> table{0.0F, 1.0F, 2.0F};
  std::shared_ptr<Program> program = std::make_shared<Program>();
  ProgramParts parts;
  std::vector<std::unique_ptr<transport::Sender>> hidden_out;  ///< of the first runner alone

  Shard() {
    program->values = {{"hidden", ValueType::f32, 32}, {"y", ValueType::f32, 32}, {"fixed", ValueType::fixed, 32}};
    program->sections.push_back({"layers"});
    append(ops::Embed{rows(32), hidden, 1.0F});
  }

  void append(ops::Any what, std::uint32_t layer = 0) { program->sections[0].ops.push_back({layer, std::move(what)}); }

  /// One that calls kernels.add with each hidden row.
  static ops::Any any_op() { return ops::Add{y, hidden}; }

  ValueId value(ValueType type, std::uint32_t columns) {
    program->values.push_back({"more", type, columns});
    return static_cast<ValueId>(program->values.size() - 1);
  }

  /// An embedding.
  WeightId rows(std::uint32_t columns) {
    program->weights.push_back({"rows", Weight::Use::rows, {}});
    program->weights.back().source.tensor_columns = columns;
    return static_cast<WeightId>(program->weights.size() - 1);
  }

  /// Of two leaves, which live as long as the runner.
  WeightId matrix(const std::vector<float>& elements, std::uint32_t rows, std::uint32_t columns) {
    const auto* data = reinterpret_cast<const std::byte*>(elements.data());
    program->weights.push_back(
        {"matrix", Weight::Use::matrix, {kernels::Format::f32, data, columns, 0, rows, 0, 2, columns / 2}});
    return static_cast<WeightId>(program->weights.size() - 1);
  }

  /// Borrows this object. May be called again.
  std::unique_ptr<ShardRunner> runner(std::uint32_t threads) {
    for (Weight& weight : program->weights) {
      if (weight.use != Weight::Use::rows) continue;
      auto& all = embeddings_.emplace_back();
      for (const float each : table) all.insert(all.end(), weight.source.tensor_columns, each);
      weight.source.format = kernels::Format::f32;
      weight.source.tensor = reinterpret_cast<const std::byte*>(all.data());
    }
    parts.program = program;
    parts.weights = packed_program(*program, 1).value();
    parts.rows = 8;
    parts.threads = threads;
    parts.policy.spins = 0;
    ShardEnds ends{.tokens = std::make_unique<TokenBoard>(1, channel_in_memory(1, 64).receiver),
                   .hidden_out = std::exchange(hidden_out, {})};
    return std::make_unique<ShardRunner>(program, CpuRunner::create(parts, kernels).value(), std::move(ends),
                                         parts.rows, parts.deadline);
  }

 private:
  std::deque<std::vector<float>> embeddings_;
};

inline Step step_of(std::vector<TokenId> tokens) { return {.id = 1, .slices = {{.tokens = std::move(tokens)}}}; }

}  // namespace troupe::testing
