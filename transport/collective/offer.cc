#include "transport/collective/offer.hpp"

#include <algorithm>
#include <cstdint>
#include <string>

namespace troupe::transport {
namespace {

Error invalid(Operation operation, const std::string& why) {
  return {Code::invalid_argument, std::string(name_of(operation)) + ": " + why};
}

std::string rank_name(std::size_t rank) { return "rank " + std::to_string(rank); }

/// Of an all_to_all any number of rows.
std::string brought(const Offer& offer) {
  if (offer.operation != Operation::all_to_all) return describe(offer.in);
  Tensor row = offer.in;
  row.rows = 1;
  return "rows of " + describe(row);
}

Result<void> agree_on_out(std::span<const Offer> offers) {
  Tensor whole = offers[0].in;
  for (const Offer& offer : offers.subspan(1)) whole.columns += offer.in.columns;
  for (std::size_t rank = 0; rank < offers.size(); ++rank) {
    const Tensor& out = offers[rank].out;
    if (out.data != nullptr && !same_shape(out, whole))
      return invalid(Operation::all_gather, rank_name(rank) + " has room for " + describe(out) +
                                                ", the ranks together give " + describe(whole));
  }
  return {};
}

/// The largest number where it would wrap.
std::size_t sum_of(std::span<const std::size_t> counts) {
  std::size_t sum = 0;
  for (const std::size_t count : counts) sum = count > SIZE_MAX - sum ? SIZE_MAX : sum + count;
  return sum;
}

Result<void> check_all_to_all(const Offer& offer, std::size_t size) {
  if (offer.gives.size() != size || offer.takes.size() != size)
    return invalid(offer.operation, "it gives to " + std::to_string(offer.gives.size()) + " and takes from " +
                                        std::to_string(offer.takes.size()) + " ranks in a group of " +
                                        std::to_string(size));
  if (!well_formed(offer.out)) return invalid(offer.operation, "there is no room for what comes");
  if (offer.in.element != offer.out.element || offer.in.columns != offer.out.columns)
    return invalid(offer.operation, "in is " + describe(offer.in) + ", out is " + describe(offer.out) +
                                        "; columns and elements must be the same");
  const std::size_t given = sum_of(offer.gives), taken = sum_of(offer.takes);
  if (given == offer.in.rows && taken == offer.out.rows) return {};
  return invalid(offer.operation, "in is " + describe(offer.in) + " and out " + describe(offer.out) + ", but " +
                                      std::to_string(given) + " rows are given and " + std::to_string(taken) +
                                      " taken");
}

Result<void> agree_on_counts(std::span<const Offer> offers) {
  for (std::size_t from = 0; from < offers.size(); ++from) {
    for (std::size_t to = 0; to < offers.size(); ++to) {
      const std::size_t given = offers[from].gives[to], taken = offers[to].takes[from];
      if (given != taken)
        return invalid(Operation::all_to_all, rank_name(from) + " gives " + std::to_string(given) + " rows to " +
                                                  rank_name(to) + ", which takes " + std::to_string(taken));
    }
  }
  return {};
}

Result<void> check_sum(const Offer& offer) {
  if (offer.in.element != Element::i64)
    return invalid(offer.operation, "only i64 is summed, this is " + describe(offer.in));
  const bool whole = offer.operation == Operation::all_reduce;
  Tensor sum = offer.in;
  if (!whole) sum.rows = offer.out.rows;
  if (same_shape(sum, offer.out) && well_formed(offer.out)) return {};
  return invalid(offer.operation, "partial is " + describe(offer.in) + ", sum is " + describe(offer.out) +
                                      (whole ? "; they must be the same" : "; columns and elements must be the same"));
}

Result<void> agree_on_rows(std::span<const Offer> offers) {
  std::size_t rows = 0;
  for (const Offer& offer : offers) rows += std::min(offer.out.rows, SIZE_MAX - rows);
  if (rows == offers[0].in.rows) return {};
  return invalid(Operation::reduce_scatter, "the ranks' sums have " + std::to_string(rows) +
                                                " rows together, what each brings is " + describe(offers[0].in));
}

Tensor part_of(const Tensor& tensor, std::span<const std::size_t> counts, std::size_t rank) {
  return rows_of(tensor, sum_of(counts.first(rank)), counts[rank]);
}

}  // namespace

std::size_t first_row(std::span<const Offer> offers, std::size_t rank) {
  std::size_t row = 0;
  for (const Offer& offer : offers.first(rank)) row += offer.out.rows;
  return row;
}

Tensor given_to(const Offer& offer, std::size_t rank) { return part_of(offer.in, offer.gives, rank); }

Tensor taken_from(const Offer& offer, std::size_t rank) { return part_of(offer.out, offer.takes, rank); }

const char* name_of(Operation operation) {
  switch (operation) {
    case Operation::all_reduce:
      return "all_reduce";
    case Operation::reduce_scatter:
      return "reduce_scatter";
    case Operation::all_gather:
      return "all_gather";
    case Operation::all_to_all:
      return "all_to_all";
    case Operation::broadcast:
      return "broadcast";
  }
  return "unknown";
}

Result<void> check(const Offer& offer, int size) {
  if (!well_formed(offer.in) || (offer.out.data != nullptr && !well_formed(offer.out)))
    return invalid(offer.operation,
                   "a tensor needs memory aligned to its elements and a stride of at least its columns");
  if (offer.operation == Operation::all_reduce || offer.operation == Operation::reduce_scatter) {
    if (auto checked = check_sum(offer); !checked) return checked;
  }
  if (offer.operation == Operation::all_to_all) {
    if (auto checked = check_all_to_all(offer, static_cast<std::size_t>(size)); !checked) return checked;
  }
  if (offer.root < 0 || offer.root >= size)
    return invalid(offer.operation,
                   "there is no root " + std::to_string(offer.root) + " in a group of " + std::to_string(size));
  return {};
}

Result<void> agree(std::span<const Offer> offers) {
  const Offer& first = offers[0];
  for (std::size_t rank = 1; rank < offers.size(); ++rank) {
    const Offer& other = offers[rank];
    if (other.operation != first.operation)
      return invalid(first.operation, rank_name(rank) + " calls " + name_of(other.operation) +
                                          " where rank 0 calls this; the order of calls must be the same everywhere");
    if (other.root != first.root)
      return invalid(first.operation, "rank 0 names root " + std::to_string(first.root) + ", " + rank_name(rank) +
                                          " root " + std::to_string(other.root));
    const bool gather = first.operation == Operation::all_gather, to_all = first.operation == Operation::all_to_all;
    const bool fits = other.in.element == first.in.element && (to_all || other.in.rows == first.in.rows) &&
                      (gather || other.in.columns == first.in.columns);
    if (!fits)
      return invalid(first.operation, "rank 0 brings " + brought(first) + ", " + rank_name(rank) + " " +
                                          brought(other) +
                                          (gather   ? "; rows and elements"
                                           : to_all ? "; columns and elements"
                                                    : "; the shapes") +
                                          " must be the same");
  }
  if (first.operation == Operation::all_to_all) return agree_on_counts(offers);
  if (first.operation == Operation::reduce_scatter) return agree_on_rows(offers);
  return first.operation == Operation::all_gather ? agree_on_out(offers) : Result<void>{};
}

Error too_late(Operation operation, int size, std::span<const std::size_t> missing) {
  std::string ranks;
  for (const std::size_t rank : missing) ranks += (ranks.empty() ? "" : ", ") + std::to_string(rank);
  return {Code::deadline, std::string(name_of(operation)) + ": the deadline passed before these of " +
                              std::to_string(size) + " ranks had arrived: " + ranks};
}

}  // namespace troupe::transport
