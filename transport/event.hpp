#pragma once

#include <cstdint>

#include "transport/deadline.hpp"
#include "troupe/error.hpp"

namespace troupe::transport {

/// The end of something that was begun and may still be under way. What was done when its call returned has passed:
/// waiting for it costs a look. Used by the thread that began it, while what it was begun on lives.
class Event {
 public:
  /// Who begins what goes on meanwhile, and ends it.
  class Source {
   public:
    /// Ends number `number` and all that were begun before it; one that has been ended may be waited for again.
    [[nodiscard]] virtual Result<void> wait(std::uint64_t number, Deadline deadline) = 0;

   protected:
    ~Source() = default;
  };

  Event() = default;  ///< one that has passed
  Event(Source& source, std::uint64_t number) : source_(&source), number_(number) {}

  [[nodiscard]] Result<void> wait(Deadline deadline) const {
    if (source_ == nullptr) return {};
    return source_->wait(number_, deadline);
  }

 private:
  Source* source_ = nullptr;
  std::uint64_t number_ = 0;
};

}  // namespace troupe::transport
