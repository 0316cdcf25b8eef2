#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "transport/collective/offer.hpp"
#include "transport/transport.hpp"

namespace troupe::transport {

/// Where the ranks of one process meet: each lays down its offer and sees everyone else's.
///
/// A small `in` is copied into memory of the meeting, so that its rank may leave as soon as it has read the others.
/// A large one stays where it is; then everybody stays until everybody has finished (`part`), because others read and
/// write the memory of a rank that must not return meanwhile.
class Meeting {
 public:
  static constexpr std::size_t staged_bytes = std::size_t{32} << 10;  ///< what is small

  explicit Meeting(const GroupSpec& spec);

  [[nodiscard]] int size() const { return static_cast<int>(seats_.size()); }

  /// One rank's place in the sequence of meetings; used by that rank's thread alone.
  struct Place {
    std::size_t rank = 0;
    WaitPolicy policy;
    std::uint64_t phase = 0;    // how often this rank has arrived
    bool direct = false;        // some offer of this meeting lies in its rank's own memory
    std::vector<Offer> offers;  // of this meeting, by rank
  };

  /// Lays down `mine` and waits for the others; `place.offers` then holds all offers, which agree, and every
  /// offers[r].in may be read. Where `place.direct` is set, every offers[r].out may be written too, until `part`.
  [[nodiscard]] Result<void> meet(Place& place, const Offer& mine, Deadline deadline);

  /// The end of a meeting: nobody touches the memory of this rank after it.
  void part(Place& place);

  /// From any thread: everyone who waits, and every later meeting, returns with the first error.
  Error fail(Error why);

  /// A rank will not come again: as fail(), but takes no memory.
  void end(Error gone);

 private:
  struct Slot {
    Offer offer;
    std::vector<std::size_t> counts;  // of an all_to_all: what it gives, and what it takes
    alignas(64) std::byte staging[staged_bytes];
  };
  // Two slots, used in turn: whoever writes one for phase n has seen everyone arrive at phase n-1, and they did that
  // only after they had read what lay there for phase n-2.
  struct Seat {
    Counter arrived;  // the phases that this rank has entered
    Slot slots[2];
  };

  void lay_down(Place& place, const Offer& mine);
  [[nodiscard]] Result<void> wait_for_all(const Place& place, Operation operation, Deadline deadline);
  /// The ranks that have not arrived at `phase`.
  [[nodiscard]] std::vector<std::size_t> missing(std::uint64_t phase) const;
  /// Gives the gate `verdict` for `phase` unless someone was faster; returns the one that holds.
  [[nodiscard]] std::uint64_t decide(std::uint64_t phase, std::uint64_t verdict);

  std::vector<Seat> seats_;
  AbortFlag aborted_;
  // The last phase that went ahead in the ranks' own memory, or closed for ever: a rank that gives up while others see
  // everyone arrive must not leave its memory to them, so whoever reaches the gate first decides for all.
  alignas(64) std::atomic<std::uint64_t> gate_{0};
};

[[nodiscard]] std::unique_ptr<Communicator> make_meeting_rank(std::shared_ptr<Meeting> meeting, int rank,
                                                              const GroupSpec& spec, WaitPolicy policy);

}  // namespace troupe::transport
