#include "runtime/program/node_runners.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "kernels/floating_point.hpp"
#include "runtime/program/program.hpp"
#include "runtime/program/thrown.hpp"
#include "runtime/text/sampling.hpp"

namespace troupe {
namespace {

/// No norm of a row within this bound overflows, whatever its length.
constexpr float largest_hidden = 0x1p48F;

const char* fault_of_hidden(const float* values, std::size_t columns) {
  std::uint32_t beyond = 0;
  for (std::size_t i = 0; i < columns; ++i)
    beyond |= static_cast<std::uint32_t>(!(std::fabs(values[i]) <= largest_hidden));
  return beyond == 0 ? nullptr : "a hidden state is not a number, or beyond +-2^48";
}

/// Every row of a step, as the rows that flow between stages.
void all_rows(const Step& step, std::vector<WantedRow>& rows) {
  rows.clear();
  for (std::uint32_t s = 0; s < step.slices.size(); ++s) {
    for (std::uint32_t i = 0; i < step.slices[s].rows(); ++i) {
      rows.push_back({static_cast<std::uint32_t>(rows.size()), s, step.slices[s].first_position + i, false});
    }
  }
}

/// Calls visit(rows) for each piece in which a flow travels: the sender cuts it the same way.
template <class Visit>
Result<void> for_each_piece(Flow flow, const Step& step, std::vector<WantedRow>& rows, const Visit& visit) {
  flow == Flow::hidden ? all_rows(step, rows) : wanted_rows(step, rows);
  const std::size_t piece = flow == Flow::hidden ? rows.size() : logit_tile;
  for (std::size_t first = 0; first < rows.size(); first += piece) {
    const std::span<const WantedRow> part(rows.data() + first, std::min(piece, rows.size() - first));
    if (auto done = visit(part); !done) return done;
  }
  return {};
}

/// Where a host's actor puts the rows that it fails.
class Failing final : public RowFailures {
 public:
  Failing(const std::string& name, std::span<const WantedRow> rows, StepOutcome& outcome)
      : name_(name), rows_(rows), outcome_(outcome) {}

  void fail(std::size_t row, Error why) override {
    if (row >= rows_.size()) {
      throw Error(Code::invalid_argument, "row " + std::to_string(row) + " cannot be failed, the step has " +
                                              std::to_string(rows_.size()) + " here");
    }
    const std::uint32_t slice = rows_[row].slice;
    if (outcome_.failed(slice)) return;
    outcome_.failures.push_back({slice, {why.code(), on_one_line("actor " + name_ + ": " + why.message())}});
  }

 private:
  const std::string& name_;
  std::span<const WantedRow> rows_;
  StepOutcome& outcome_;
};

}  // namespace

ActorRunner::ActorRunner(std::string name, std::unique_ptr<Actor> actor, Flow flow, std::size_t columns,
                         std::size_t rows, TokenBoard tokens, std::unique_ptr<transport::Receiver> in,
                         std::vector<std::unique_ptr<transport::Sender>> out, transport::Deadline deadline,
                         std::shared_ptr<trace::Track> track)
    : name_(std::move(name)),
      actor_(std::move(actor)),
      flow_(flow),
      columns_(columns),
      tokens_(std::move(tokens)),
      users_(tokens_.slots()),
      in_(std::move(in)),
      out_(std::move(out)),
      deadline_(deadline),
      track_(std::move(track)) {
  const std::size_t piece = flow == Flow::hidden ? rows : logit_tile;
  received_.reserve(piece * columns);
  sent_.reserve(piece * columns);
  rows_.reserve(piece);
  flowing_.reserve(rows);
}

StepOutcome ActorRunner::run(const Step& step) {
  StepOutcome outcome{.id = step.id};
  for (const OpenedSlot& opened : step.opened) users_[opened.slot] = opened.user;
  auto done = receive_tokens(step);
  if (done) {
    done = for_each_piece(flow_, step, flowing_,
                          [&](std::span<const WantedRow> rows) { return pass(step, rows, outcome); });
  }
  if (!done) outcome.broken = done.error();
  return outcome;
}

Result<void> ActorRunner::receive_tokens(const Step& step) {
  const trace::Span span(track_.get(), trace::receive_tokens, trace::Kind::transfer);
  return tokens_.receive(step.token_messages, deadline_);
}

Result<void> ActorRunner::pass(const Step& step, std::span<const WantedRow> rows, StepOutcome& outcome) {
  if (auto received = receive(rows.size()); !received) return received;
  {
    const trace::Span span(track_.get(), trace::on_step, trace::Kind::compute);
    sent_ = received_;
    call(step, rows, outcome);
    check(rows, outcome);
  }
  return send(rows.size());
}

Result<void> ActorRunner::receive(std::size_t rows) {
  const bool hidden = flow_ == Flow::hidden;
  const trace::Span span(track_.get(), hidden ? trace::receive_hidden : trace::receive_logits, trace::Kind::transfer);
  received_.resize(rows * columns_);
  return in_->receive(transport::tensor_of(received_.data(), rows, columns_), deadline_);
}

Result<void> ActorRunner::send(std::size_t rows) {
  const bool hidden = flow_ == Flow::hidden;
  const trace::Span span(track_.get(), hidden ? trace::send_hidden : trace::send_logits, trace::Kind::transfer);
  for (const auto& channel : out_) {
    if (auto sent = channel->send(transport::tensor_of(sent_.data(), rows, columns_), deadline_); !sent) return sent;
  }
  return {};
}

StepRow ActorRunner::seen(const Step& step, const WantedRow& row) const {
  const SequenceSlice& slice = step.slices[row.slice];
  const TokenId token =
      slice.tokens.empty() ? tokens_.token(slice.slot) : slice.tokens[row.position - slice.first_position];
  const auto& user = users_[slice.slot];
  return {slice.sequence, row.position, token, user == nullptr ? std::string_view() : std::string_view(*user)};
}

/// Whatever the host's code throws stays here: what was received goes on instead of what it left half written.
void ActorRunner::call(const Step& step, std::span<const WantedRow> rows, StepOutcome& outcome) {
  rows_.clear();
  for (const WantedRow& row : rows) rows_.push_back(seen(step, row));
  Failing failing(name_, rows, outcome);
  try {
    const kernels::HostFloatingPointScope floats;
    actor_->on_step({.step = step.id,
                     .rows = rows_,
                     .in = {received_.data(), rows.size(), columns_},
                     .out = {sent_.data(), rows.size(), columns_},
                     .failures = &failing});
  } catch (...) {
    const Error why = error_of_thrown("actor " + name_);
    sent_ = received_;
    for (std::uint32_t s = 0; s < step.slices.size(); ++s) outcome.failures.push_back({s, why});
  }
}

const char* ActorRunner::fault(const WantedRow& row, const float* values) const {
  if (flow_ == Flow::hidden) return fault_of_hidden(values, columns_);
  return row.sample ? fault_of({values, columns_}) : nullptr;
}

void ActorRunner::check(std::span<const WantedRow> rows, StepOutcome& outcome) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const float* const before = received_.data() + i * columns_;
    float* const after = sent_.data() + i * columns_;
    const char* const bad = fault(rows[i], after);
    if (bad == nullptr || fault(rows[i], before) != nullptr) continue;
    std::copy_n(before, columns_, after);
    if (outcome.failed(rows[i].slice)) continue;
    outcome.failures.push_back({rows[i].slice, out_of_range(name_, rows[i].position, bad)});
  }
}

void ActorRunner::abort(const Error& why) {
  tokens_.abort(why);
  in_->abort(why);
  for (const auto& channel : out_) channel->abort(why);
}

SamplerRunner::SamplerRunner(LogitsEnd end, std::size_t vocabulary, std::size_t rows,
                             std::unique_ptr<transport::Receiver> in, transport::Deadline deadline,
                             std::shared_ptr<trace::Track> track)
    : end_(std::move(end)), vocabulary_(vocabulary), in_(std::move(in)), deadline_(deadline), track_(std::move(track)) {
  logits_.reserve(logit_tile * vocabulary);
  flowing_.reserve(rows);
}

StepOutcome SamplerRunner::run(const Step& step) {
  StepOutcome outcome{.id = step.id};
  end_.begin(step);
  auto done = for_each_piece(Flow::logits, step, flowing_, [&](std::span<const WantedRow> rows) -> Result<void> {
    if (auto received = receive(rows.size()); !received) return received;
    const trace::Span span(track_.get(), trace::sample, trace::Kind::compute);
    end_.take(step, rows, logits_.data(), vocabulary_, outcome);
    return {};
  });
  if (done) {
    const trace::Span span(track_.get(), trace::send_tokens, trace::Kind::transfer);
    done = end_.finish(step, outcome, deadline_);
  }
  if (!done) outcome.broken = done.error();
  return outcome;
}

Result<void> SamplerRunner::receive(std::size_t rows) {
  const trace::Span span(track_.get(), trace::receive_logits, trace::Kind::transfer);
  logits_.resize(rows * vocabulary_);
  return in_->receive(transport::tensor_of(logits_.data(), rows, vocabulary_), deadline_);
}

void SamplerRunner::abort(const Error& why) {
  in_->abort(why);
  end_.abort(why);
}

}  // namespace troupe
