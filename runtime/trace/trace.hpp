#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "runtime/trace/recording.hpp"
#include "runtime/trace/track.hpp"

namespace troupe::trace {

/// The tracks of a model's threads. Any thread; the threads that write into tracks do not meet here.
class Trace {
 public:
  /// `events`: that each track keeps.
  explicit Trace(std::size_t events) : events_(events) {}

  /// The track of one thread, which holds it as long as it runs. Where a replica comes back, its threads go on in the
  /// tracks of those that were. Of threads that have ended the oldest are forgotten, so that there are no more than
  /// most_tracks. Throws bad_alloc. Threads are started and ended by one who calls this.
  [[nodiscard]] std::shared_ptr<Track> add(const Actor& actor, std::uint32_t thread);

  [[nodiscard]] Recording read() const;

 private:
  static constexpr std::size_t most_tracks = 1024;

  struct Place {
    Actor actor;
    std::uint32_t thread;
    std::shared_ptr<Track> track;
    [[nodiscard]] bool has_ended() const { return track.use_count() == 1; }
  };
  void make_room();

  const std::size_t events_;
  mutable std::mutex mutex_;
  std::vector<Place> places_;
};

}  // namespace troupe::trace
