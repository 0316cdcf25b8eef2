#pragma once

#include "runtime/trace/ring.hpp"
#include "transport/deadline.hpp"

namespace troupe::trace {

/// Where one thread writes down what it does. For that thread alone.
class Track final : public transport::WaitWitness {
 public:
  explicit Track(std::size_t events) : ring_(events) {}

  /// What follows belongs to this step.
  void begin_step(std::uint64_t step, std::uint64_t epoch) {
    step_ = step;
    epoch_ = static_cast<std::uint32_t>(epoch);
  }
  /// The same step as another thread's, which is between two events.
  void follow(const Track& other) {
    step_ = other.step_;
    epoch_ = other.epoch_;
  }
  void end_step(Time begin, std::uint32_t rows, std::uint32_t sequences) {
    ring_.push({.name = "step",
                .kind = Kind::step,
                .begin = begin,
                .end = now(),
                .step = step_,
                .epoch = epoch_,
                .rows = rows,
                .sequences = sequences});
  }
  /// `name`: of static storage.
  void add(const char* name, Kind kind, Time begin, Time end, std::uint32_t layer = no_layer) {
    ring_.push(
        {.name = name, .kind = kind, .begin = begin, .end = end, .layer = layer, .step = step_, .epoch = epoch_});
  }
  void waited(transport::Clock::time_point begin, transport::Clock::time_point end) override {
    add("wait", Kind::wait, time_of(begin), time_of(end));
  }

  /// For any thread.
  [[nodiscard]] const Ring& ring() const { return ring_; }

 private:
  Ring ring_;
  std::uint64_t step_ = 0;
  std::uint32_t epoch_ = 0;
};

/// What is done until the end of a scope, where there is a track.
class Span {
 public:
  Span(Track* track, const char* name, Kind kind, std::uint32_t layer = no_layer)
      : track_(track), name_(name), kind_(kind), layer_(layer), begin_(track == nullptr ? 0 : now()) {}
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;
  ~Span() {
    if (track_ != nullptr) track_->add(name_, kind_, begin_, now(), layer_);
  }

 private:
  Track* track_;
  const char* name_;
  Kind kind_;
  std::uint32_t layer_;
  Time begin_;
};

/// What is done one after the other: where one ends the next begins, so that each costs one look at the clock.
class Laps {
 public:
  explicit Laps(Track* track) : track_(track), begin_(track == nullptr ? 0 : now()) {}
  [[nodiscard]] bool on() const { return track_ != nullptr; }
  /// Precondition: on().
  void end(const char* name, Kind kind, std::uint32_t layer = no_layer) {
    const Time end = now();
    track_->add(name, kind, begin_, end, layer);
    begin_ = end;
  }

 private:
  Track* track_;
  Time begin_;
};

}  // namespace troupe::trace
