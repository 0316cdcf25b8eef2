#include "runtime/device/shard_runner.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "kernels/math.hpp"
#include "runtime/program/rank_grid.hpp"

namespace troupe {
namespace {

std::string said_of(std::uint8_t flag) {
  const std::string beyond_cache = " is not a number or beyond +-65504, more than the KV cache holds";
  switch (flag) {
    case key_overflow:
      return "a key" + beyond_cache;
    case value_overflow:
      return "a value" + beyond_cache;
    case query_overflow:
      return "a query is not a finite number";
    case router_overflow:
      return "the scores of its experts (ffn_gate_inp) are not numbers";
    default:
      return "a sum is not a number or beyond +-" + std::to_string(static_cast<long>(kernels::fixed_limit)) +
             ", more than the fixed-point sums of the numerics contract hold";
  }
}

Error out_of_layers_range(std::size_t layer, std::uint8_t flag) {
  return {Code::out_of_range, "layer " + std::to_string(layer) + ": " + said_of(flag)};
}

}  // namespace

ShardRunner::ShardRunner(std::shared_ptr<const Program> program, std::unique_ptr<ProgramRunner> runner, ShardEnds ends,
                         std::size_t rows, transport::Deadline deadline)
    : program_(std::move(program)), runner_(std::move(runner)), ends_(std::move(ends)), deadline_(deadline) {
  rows_.reserve(rows);
}

StepOutcome ShardRunner::run(const Step& step) {
  StepOutcome outcome{.id = step.id};
  Result<void> done = begin(step, outcome);
  if (done) done = run_sections(step, outcome);
  if (!done) outcome.broken = done.error();
  return outcome;
}

Result<void> ShardRunner::begin(const Step& step, StepOutcome& outcome) {
  if (ends_.logits_end) ends_.logits_end->begin(step);
  lay_rows(step);
  take_blocks(step, outcome);
  if (program_->row_ranks > 1) {
    rows_.set_own(even_part(static_cast<std::uint32_t>(rows_.rows()), program_->row_rank, program_->row_ranks));
  }
  const auto received = ends_.tokens ? receive_tokens(step) : receive_hidden();
  return received ? runner_->begin(rows_) : received;
}

void ShardRunner::lay_rows(const Step& step) {
  rows_.clear();
  for (const SequenceSlice& slice : step.slices) {
    rows_.slices.push_back({static_cast<std::uint32_t>(rows_.rows()), slice.rows(), slice.first_position, slice.slot});
    for (std::uint32_t i = 0; i < slice.rows(); ++i) rows_.positions.push_back(slice.first_position + i);
  }
  wanted_rows(step, rows_.wanted);
}

void ShardRunner::take_blocks(const Step& step, StepOutcome& outcome) {
  for (const OpenedSlot& opened : step.opened) runner_->open(opened.slot);
  for (std::uint32_t s = 0; s < step.slices.size(); ++s) {
    const auto taken = runner_->take_blocks(step.slices[s]);
    if (taken) continue;
    rows_.slices[s].cached = false;
    outcome.failures.push_back({s, taken.error()});
  }
}

Result<void> ShardRunner::receive_tokens(const Step& step) {
  if (auto received = ends_.tokens->receive(step.token_messages, deadline_); !received) return received;
  for (const SequenceSlice& slice : step.slices) {
    if (slice.tokens.empty()) rows_.tokens.push_back(ends_.tokens->token(slice.slot));
    rows_.tokens.insert(rows_.tokens.end(), slice.tokens.begin(), slice.tokens.end());
  }
  return {};
}

/// One state flows into a group of ranks, whatever stands before it: the first rank receives it for all.
Result<void> ShardRunner::receive_hidden() {
  if (!ends_.hidden_in) return {};
  const std::size_t columns = program_->values[program_->hidden].columns;
  return ends_.hidden_in->receive(transport::tensor_of(runner_->hidden_in(), rows_.rows(), columns), deadline_);
}

/// A section without rows still meets the other ranks; a tile that has none does not.
Result<void> ShardRunner::run_sections(const Step& step, StepOutcome& outcome) {
  for (const Section& section : program_->sections) {
    const std::size_t count = runner_->count(section.space);
    const std::size_t tile = program_->spaces[section.space].tile;
    if (tile == 0) {
      if (auto ran = run_pass(step, section, 0, count, outcome); !ran) return ran;
    }
    for (std::size_t first = 0; tile != 0 && first < count; first += tile) {
      if (auto ran = run_pass(step, section, first, std::min(tile, count - first), outcome); !ran) return ran;
    }
  }
  if (auto finished = runner_->finish(); !finished) return finished;
  report_overflow(outcome);
  if (auto sent = send_hidden(); !sent) return sent;
  if (ends_.logits_end) return ends_.logits_end->finish(step, outcome, deadline_);
  return {};
}

Result<void> ShardRunner::run_pass(const Step& step, const Section& section, std::size_t first, std::size_t rows,
                                   StepOutcome& outcome) {
  const bool logits = program_->logits && program_->values[*program_->logits].space == section.space;
  auto done = runner_->run(section, first, rows);
  if (!done || !logits) return done;
  if (done = runner_->finish(); !done) return done;
  report_overflow(outcome);  // a slice that has failed here is not sampled; of another rank's the outcome is dropped
  return hand_on_logits(step, first, rows, outcome);
}

Result<void> ShardRunner::hand_on_logits(const Step& step, std::size_t first, std::size_t rows, StepOutcome& outcome) {
  const std::size_t vocabulary = program_->values[*program_->logits].columns;
  const auto wanted = std::span<const WantedRow>(rows_.wanted).subspan(first, rows);
  if (ends_.logits_end) ends_.logits_end->take(step, wanted, runner_->logits(), vocabulary, outcome);
  if (!ends_.logits_out) return {};
  return ends_.logits_out->send(transport::tensor_of(runner_->logits(), rows, vocabulary), deadline_);
}

Result<void> ShardRunner::send_hidden() {
  const std::size_t columns = program_->values[program_->hidden].columns;
  for (const auto& channel : ends_.hidden_out) {
    if (auto sent = channel->send(transport::tensor_of(runner_->hidden(), rows_.rows(), columns), deadline_); !sent)
      return sent;
  }
  return {};
}

void ShardRunner::report_overflow(StepOutcome& outcome) {
  const std::span<const std::uint8_t> flags = runner_->overflow();
  if (std::all_of(flags.begin(), flags.end(), [](std::uint8_t flag) { return flag == 0; })) return;
  for (std::uint32_t s = 0; s < rows_.slices.size(); ++s) {
    const StepRows::Slice& slice = rows_.slices[s];
    for (std::size_t layer = 0; layer * rows_.rows() < flags.size(); ++layer) {
      const auto mine = flags.subspan(layer * rows_.rows() + slice.first_row, slice.rows);
      const auto flag = std::find_if(mine.begin(), mine.end(), [](std::uint8_t each) { return each != 0; });
      if (flag == mine.end() || outcome.failed(s)) continue;
      outcome.failures.push_back({s, out_of_layers_range(layer, *flag)});
    }
  }
}

void ShardRunner::abort(const Error& why) {
  runner_->abort(why);
  if (ends_.tokens) ends_.tokens->abort(why);
  if (ends_.hidden_in) ends_.hidden_in->abort(why);
  for (const auto& channel : ends_.hidden_out) channel->abort(why);
  if (ends_.logits_end) ends_.logits_end->abort(why);
  if (ends_.logits_out) ends_.logits_out->abort(why);
}

}  // namespace troupe
