#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "transport/tensor.hpp"
#include "troupe/error.hpp"

namespace troupe::transport {

enum class Operation : std::uint8_t { all_reduce, reduce_scatter, all_gather, all_to_all, broadcast };

[[nodiscard]] const char* name_of(Operation operation);

/// What one rank brings to a collective. `out` stays without data where the operation has none.
struct Offer {
  Operation operation = Operation::all_reduce;
  int root = 0;  ///< of a broadcast
  Tensor in, out;
  std::span<const std::size_t> gives{}, takes{};  ///< [ranks]: rows, of an all_to_all
};

/// Of a reduce_scatter, the first row that is of a rank.
[[nodiscard]] std::size_t first_row(std::span<const Offer> offers, std::size_t rank);

/// Of an all_to_all, the rows of a rank's `in` that go to another.
[[nodiscard]] Tensor given_to(const Offer& offer, std::size_t rank);
/// And those of its `out` that come from another.
[[nodiscard]] Tensor taken_from(const Offer& offer, std::size_t rank);

/// What a rank can say about its own offer before it meets the others, in a group of `size` ranks.
[[nodiscard]] Result<void> check(const Offer& offer, int size);

/// Whether the offers of all ranks, each checked before, make one collective. Every rank comes to the same answer.
[[nodiscard]] Result<void> agree(std::span<const Offer> offers);

/// Of a group of `size` ranks these had not arrived when a deadline passed.
[[nodiscard]] Error too_late(Operation operation, int size, std::span<const std::size_t> missing);

}  // namespace troupe::transport
