#include "transport/collective/offer.hpp"

#include <string>

namespace troupe::transport {
namespace {

Error invalid(Operation operation, const std::string& why) {
  return {Code::invalid_argument, std::string(name_of(operation)) + ": " + why};
}

std::string rank_name(std::size_t rank) { return "rank " + std::to_string(rank); }

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

}  // namespace

const char* name_of(Operation operation) {
  switch (operation) {
    case Operation::all_reduce:
      return "all_reduce";
    case Operation::all_gather:
      return "all_gather";
    case Operation::broadcast:
      return "broadcast";
  }
  return "unknown";
}

Result<void> check(const Offer& offer, int size) {
  if (!well_formed(offer.in) || (offer.out.data != nullptr && !well_formed(offer.out)))
    return invalid(offer.operation,
                   "a tensor needs memory aligned to its elements and a stride of at least its columns");
  if (offer.operation == Operation::all_reduce) {
    if (offer.in.element != Element::i64)
      return invalid(offer.operation, "only i64 is summed, this is " + describe(offer.in));
    if (!same_shape(offer.in, offer.out) || !well_formed(offer.out))
      return invalid(offer.operation, "partial is " + describe(offer.in) + ", sum is " + describe(offer.out) +
                                          "; they must be the same");
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
    const bool gather = first.operation == Operation::all_gather;
    const bool fits = gather ? other.in.element == first.in.element && other.in.rows == first.in.rows
                             : same_shape(other.in, first.in);
    if (!fits)
      return invalid(first.operation, "rank 0 brings " + describe(first.in) + ", " + rank_name(rank) + " " +
                                          describe(other.in) + (gather ? "; rows and elements" : "; the shapes") +
                                          " must be the same");
  }
  return first.operation == Operation::all_gather ? agree_on_out(offers) : Result<void>{};
}

Error too_late(Operation operation, int size, std::span<const std::size_t> missing) {
  std::string ranks;
  for (const std::size_t rank : missing) ranks += (ranks.empty() ? "" : ", ") + std::to_string(rank);
  return {Code::deadline, std::string(name_of(operation)) + ": the deadline passed before these of " +
                              std::to_string(size) + " ranks had arrived: " + ranks};
}

}  // namespace troupe::transport
