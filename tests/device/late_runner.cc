#include "tests/device/late_runner.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace troupe::testing {
namespace {

void poison(std::vector<float>& values) {
  if (!values.empty()) std::memset(values.data(), 0xAB, values.size() * sizeof(float));  // memset takes no null pointer
}

std::size_t columns_of(const Program& program, ValueId id) { return program.values[id].columns; }

/// Those that live in one section alone, and that nobody reads but its ops.
std::vector<std::vector<std::vector<ValueId>>> values_done(const Program& program) {
  struct Touch {
    std::size_t section = 0, op = 0;
    bool inside = false;
  };
  std::vector<Touch> last(program.values.size());
  std::vector<std::vector<std::vector<ValueId>>> done;
  for (std::size_t s = 0; s < program.sections.size(); ++s) {
    const auto& ops = program.sections[s].ops;
    done.emplace_back(ops.size());
    for (std::size_t op = 0; op < ops.size(); ++op) {
      for_each_value(ops[op], [&](ValueId id, Access access) {
        const bool begins = access == Access::write && !last[id].inside;
        last[id] = {s, op, begins || (last[id].inside && last[id].section == s)};
      });
    }
  }
  for (ValueId id = 0; id < program.values.size(); ++id) {
    if (last[id].inside && id != program.hidden && id != program.logits) {
      done[last[id].section][last[id].op].push_back(id);
    }
  }
  return done;
}

}  // namespace

LateRunner::LateRunner(std::unique_ptr<CpuRunner> processor, std::shared_ptr<const Program> program, std::size_t rows,
                       std::uint64_t seed, Forgets forgets)
    : program_(std::move(program)),
      forgets_(forgets),
      done_(values_done(*program_)),
      hidden_in_(rows * columns_of(*program_, program_->hidden)),
      hidden_(hidden_in_.size()),
      processor_(std::move(processor)),
      queue_(seed) {
  if (program_->logits) logits_.resize(logit_tile * columns_of(*program_, *program_->logits));
}

/// How many rows there are, and where, goes along with the ops that are begun; only tokens and states are copied.
Result<void> LateRunner::begin(const StepRows& rows) {
  host_rows_ = &rows;
  rows_ = rows;
  std::fill(rows_.tokens.begin(), rows_.tokens.end(), 0);
  before_ops_.reset();
  if (forgets_ != Forgets::copies_in) before_ops_ = add_copy_in();
  return processor_->begin(rows_);
}

LateQueue::Mark LateRunner::add_copy_in() {
  return queue_.add(
      LateQueue::copies_in, [this] { return copy_in(*host_rows_); }, ran_);
}

LateQueue::Mark LateRunner::add_copy_out() {
  return queue_.add(
      LateQueue::copies_out, [this] { return copy_out(); }, ran_);
}

Result<void> LateRunner::copy_in(const StepRows& rows) {
  if (!rows.tokens.empty()) {
    rows_.tokens = rows.tokens;
  } else {
    const std::size_t count = rows.rows() * columns_of(*program_, program_->hidden);
    std::copy_n(hidden_in_.begin(), count, processor_->hidden_in());
  }
  poison(hidden_in_);
  return {};
}

std::size_t LateRunner::count(SpaceId space) {
  if (space != 0) (void)queue_.wait(ran_);  // finish() says what went wrong
  return processor_->count(space);
}

Result<void> LateRunner::run(const Section& section, std::size_t first, std::size_t rows) {
  poison(hidden_);
  poison(logits_);
  std::fill(overflow_.begin(), overflow_.end(), std::uint8_t{0xAB});
  logit_rows_ = program_->logits && program_->values[*program_->logits].space == section.space ? rows : 0;
  if (forgets_ == Forgets::ops) before_ops_ = copied_out_ = add_copy_out();
  for (std::size_t op = 0; op < section.ops.size(); ++op) {
    ran_ = queue_.add(
        LateQueue::ops, [=, this, &section] { return run_op(section, op, first, rows); }, before_ops_);
  }
  return {};
}

Result<void> LateRunner::run_op(const Section& section, std::size_t op, std::size_t first, std::size_t rows) {
  auto ran = processor_->run_ops(section, op, op + 1, first, rows);
  for (const ValueId id : done_[&section - program_->sections.data()][op]) {
    std::memset(processor_->value(id), 0xAB, rows * row_bytes(program_->values[id]));
  }
  return ran;
}

/// What is forgotten happens at the worst time.
Result<void> LateRunner::finish() {
  if (forgets_ == Forgets::copies_in) before_ops_ = add_copy_in();
  if (forgets_ != Forgets::ops) copied_out_ = add_copy_out();
  for (const auto& mark : {before_ops_, std::optional(ran_), copied_out_}) {
    if (!mark) continue;
    if (auto done = queue_.wait(*mark); !done) return done;
  }
  return {};
}

Result<void> LateRunner::copy_out() {
  std::copy_n(processor_->hidden(), rows_.rows() * columns_of(*program_, program_->hidden), hidden_.begin());
  if (logit_rows_ > 0) {
    std::copy_n(processor_->logits(), logit_rows_ * columns_of(*program_, *program_->logits), logits_.begin());
  }
  overflow_.assign(processor_->overflow().begin(), processor_->overflow().end());
  return {};
}

}  // namespace troupe::testing
