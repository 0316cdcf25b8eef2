#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "transport/memory/meeting.hpp"

namespace troupe::transport {
namespace {

using Word = std::uint64_t;  // i64 by its bits: a sum that overflows wraps, as integers do in every other backend

Word* at(const Tensor& tensor, std::size_t row, std::size_t column) {
  return reinterpret_cast<Word*>(tensor.data) + row * tensor.stride + column;
}

/// Eight at a time, so that the place of so short a loop among the lines of code does not count.
void add(Word* __restrict sum, const Word* __restrict addend, std::size_t count) {
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (std::size_t j = 0; j < 8; ++j) sum[i + j] += addend[i + j];
  for (; i < count; ++i) sum[i] += addend[i];
}

/// Elements of a tensor, counted row by row.
struct Range {
  std::size_t begin, end;
};

/// The share of `rank` in `count` elements; cut between cache lines, so that two ranks do not write into one.
Range share_of(std::size_t rank, std::size_t size, std::size_t count) {
  constexpr std::size_t line = 64 / sizeof(Word);
  const auto cut = [&](std::size_t r) { return r == size ? count : count / size * r / line * line; };
  return {cut(rank), cut(rank + 1)};
}

/// Sums `range` of every offer into the `out` of rank `self`, and into everyone's where `to_all`.
void sum(std::span<const Offer> offers, std::size_t self, Range range, bool to_all) {
  constexpr std::size_t piece = 1024;  // stays in the first cache between the additions
  const Offer& mine = offers[self];
  const std::size_t columns = mine.in.columns;
  for (std::size_t i = range.begin; i < range.end;) {
    const std::size_t row = i / columns, column = i % columns;
    const std::size_t count = std::min({range.end - i, columns - column, piece});
    Word* total = at(mine.out, row, column);
    if (const Word* own = at(mine.in, row, column); own != total) std::memcpy(total, own, count * sizeof(Word));
    for (std::size_t rank = 0; rank < offers.size(); ++rank)
      if (rank != self) add(total, at(offers[rank].in, row, column), count);
    for (std::size_t rank = 0; to_all && rank < offers.size(); ++rank)
      if (rank != self) std::memcpy(at(offers[rank].out, row, column), total, count * sizeof(Word));
    i += count;
  }
}

class MeetingRank final : public Communicator {
 public:
  MeetingRank(std::shared_ptr<Meeting> meeting, int rank, const GroupSpec& spec, WaitPolicy policy)
      : meeting_(std::move(meeting)),
        gone_(Code::aborted, "group " + spec.name + ": rank " + std::to_string(rank) + " is gone") {
    place_.rank = static_cast<std::size_t>(rank);
    place_.policy = policy;
    place_.offers.reserve(static_cast<std::size_t>(meeting_->size()));  // so that meeting needs no memory
  }
  ~MeetingRank() override { meeting_->end(std::move(gone_)); }

  [[nodiscard]] int rank() const override { return static_cast<int>(place_.rank); }
  [[nodiscard]] int size() const override { return meeting_->size(); }
  void abort(Error why) override { meeting_->fail(std::move(why)); }

  [[nodiscard]] Result<Event> all_reduce(Tensor partial, Tensor sum, Deadline deadline) override {
    return run({Operation::all_reduce, 0, partial, sum}, deadline);
  }
  [[nodiscard]] Result<Event> reduce_scatter(Tensor partial, Tensor sum, Deadline deadline) override {
    return run({Operation::reduce_scatter, 0, partial, sum}, deadline);
  }
  [[nodiscard]] Result<Event> all_gather(Tensor in, Tensor out, Deadline deadline) override {
    return run({Operation::all_gather, 0, in, out}, deadline);
  }
  [[nodiscard]] Result<Event> all_to_all(Tensor in, std::span<const std::size_t> gives, Tensor out,
                                         std::span<const std::size_t> takes, Deadline deadline) override {
    return run({Operation::all_to_all, 0, in, out, gives, takes}, deadline);
  }
  [[nodiscard]] Result<Event> broadcast(Tensor tensor, int root, Deadline deadline) override {
    return run({Operation::broadcast, root, tensor, {}}, deadline);
  }

 private:
  Result<Event> run(const Offer& mine, Deadline deadline) {
    if (auto met = meeting_->meet(place_, mine, deadline); !met) return met.error();
    switch (mine.operation) {
      case Operation::all_reduce:
        reduce(mine);
        break;
      case Operation::reduce_scatter:
        reduce_own(mine.out.rows);
        break;
      case Operation::all_gather:
        gather(mine.out);
        break;
      case Operation::all_to_all:
        for (std::size_t from = 0; from < place_.offers.size(); ++from)
          copy(given_to(place_.offers[from], place_.rank), taken_from(mine, from));
        break;
      case Operation::broadcast:
        copy(place_.offers[static_cast<std::size_t>(mine.root)].in, mine.in);
        break;
    }
    meeting_->part(place_);
    return Event();
  }

  // Small: everyone sums everything. Large: everyone sums a share for all.
  void reduce(const Offer& mine) {
    const std::size_t count = mine.in.rows * mine.in.columns;
    const Range share = place_.direct ? share_of(place_.rank, place_.offers.size(), count) : Range{0, count};
    sum(place_.offers, place_.rank, share, place_.direct);
  }

  void reduce_own(std::size_t rows) {
    const std::size_t first = first_row(place_.offers, place_.rank);
    for (Offer& offer : place_.offers) offer.in = rows_of(offer.in, first, rows);
    sum(place_.offers, place_.rank, {0, rows * place_.offers[place_.rank].in.columns}, false);
  }

  void gather(const Tensor& out) {
    if (out.data == nullptr) return;
    std::size_t column = 0;
    for (const Offer& offer : place_.offers) {
      copy(offer.in, columns_of(out, column, offer.in.columns));
      column += offer.in.columns;
    }
  }

  std::shared_ptr<Meeting> meeting_;
  Meeting::Place place_;
  Error gone_;
};

}  // namespace

std::unique_ptr<Communicator> make_meeting_rank(std::shared_ptr<Meeting> meeting, int rank, const GroupSpec& spec,
                                                WaitPolicy policy) {
  return std::make_unique<MeetingRank>(std::move(meeting), rank, spec, policy);
}

}  // namespace troupe::transport
