#include "runtime/trace/trace.hpp"

#include <algorithm>

namespace troupe::trace {

std::shared_ptr<Track> Trace::add(const Actor& actor, std::uint32_t thread) {
  const std::lock_guard lock(mutex_);
  const auto before = std::find_if(places_.begin(), places_.end(), [&](const Place& place) {
    return place.has_ended() && place.actor.name == actor.name && place.thread == thread;
  });
  if (before != places_.end()) {
    before->actor = actor;
    return before->track;
  }
  make_room();
  return places_.emplace_back(Place{actor, thread, std::make_shared<Track>(events_)}).track;
}

void Trace::make_room() {
  if (places_.size() < most_tracks) return;
  const auto ended = std::find_if(places_.begin(), places_.end(), [](const Place& place) { return place.has_ended(); });
  if (ended != places_.end()) places_.erase(ended);
}

Recording Trace::read() const {
  const std::lock_guard lock(mutex_);
  Recording recording;
  for (const Place& place : places_) {
    const auto same = [&](const Actor& actor) {
      return actor.name == place.actor.name && actor.epoch == place.actor.epoch;
    };
    auto actor = std::find_if(recording.actors.begin(), recording.actors.end(), same);
    if (actor == recording.actors.end()) actor = recording.actors.insert(actor, place.actor);
    Row row{static_cast<std::size_t>(actor - recording.actors.begin()), place.thread};
    row.events = place.track->ring().read(row.overwritten);
    recording.rows.push_back(std::move(row));
  }
  return recording;
}

}  // namespace troupe::trace
