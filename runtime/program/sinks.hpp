#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <span>

#include "runtime/schedule/step.hpp"

namespace troupe {

/// Where the host wants the logits of its requests: a table by sequence that it shares with the sampler's ends of all
/// replicas. Any thread.
class LogitsSinks {
  struct Seat {
    std::mutex mutex;  ///< held while the sink is called
    const LogitsSink* sink;
    std::uint32_t next = 0;  ///< the first position that it may still get
  };

 public:
  /// A sink in the table for as long as this lives: surplus steps may still be under way when a request has failed.
  class Entry {
   public:
    Entry(std::shared_ptr<LogitsSinks> table, SequenceId sequence, const LogitsSink& sink);
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;
    ~Entry();  ///< waits for a call that is under way

   private:
    std::shared_ptr<LogitsSinks> table_;
    SequenceId sequence_;
    std::shared_ptr<Seat> seat_;
  };

  /// Calls the sink of a sequence, where the host is still there, and where it has not had this position, from a
  /// replica that has broken since. What it throws comes through, and it is not called again.
  void give(SequenceId sequence, std::uint32_t position, std::span<const float> logits) const;

 private:
  mutable std::mutex mutex_;
  std::map<SequenceId, std::shared_ptr<Seat>> seats_;
};

}  // namespace troupe
