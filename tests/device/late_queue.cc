#include "tests/device/late_queue.hpp"

#include <utility>
#include <vector>

#include "kernels/floating_point.hpp"

namespace troupe::testing {

LateQueue::LateQueue(std::uint64_t seed) : random_(seed), thread_([this] { do_works(); }) {}

LateQueue::~LateQueue() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

LateQueue::Mark LateQueue::add(Stream stream, std::function<Result<void>()> work, std::optional<Mark> after) {
  const std::lock_guard lock(mutex_);
  Line& line = lines_[stream];
  line.works.push_back({std::move(work), after, random_() % 2 == 0});
  changed_.notify_all();
  return {stream, ++line.added};
}

Result<void> LateQueue::wait(Mark mark) {
  std::unique_lock lock(mutex_);
  waited_for_ = true;
  changed_.notify_all();
  changed_.wait(lock, [&] { return lines_[mark.stream].done >= mark.number || error_ || thrown_; });
  waited_for_ = false;
  if (thrown_) std::rethrow_exception(thrown_);
  if (error_) return *error_;
  return {};
}

bool LateQueue::ready(const Line& line) const {
  if (line.works.empty()) return false;
  const Work& next = line.works.front();
  const bool behind = next.after && lines_[next.after->stream].done < next.after->number;
  return !behind && (waited_for_ || !next.held);
}

LateQueue::Line* LateQueue::draw() {
  std::vector<Line*> candidates;
  for (Line& line : lines_) {
    if (ready(line)) candidates.push_back(&line);
  }
  return candidates.empty() || error_ || thrown_ ? nullptr : candidates[random_() % candidates.size()];
}

void LateQueue::do_works() {
  kernels::set_floating_point_mode();
  std::unique_lock lock(mutex_);
  for (;;) {
    Line* line = nullptr;
    changed_.wait(lock, [&] { return stopping_ || (line = draw()) != nullptr; });
    if (stopping_) return;
    do_one(*line, lock);
  }
}

void LateQueue::do_one(Line& line, std::unique_lock<std::mutex>& lock) {
  const std::function<Result<void>()> work = std::move(line.works.front().work);
  line.works.pop_front();
  lock.unlock();
  Result<void> done;
  std::exception_ptr thrown;
  try {
    done = work();
  } catch (...) {
    thrown = std::current_exception();
  }
  lock.lock();
  ++line.done;
  if (!done) error_ = done.error();
  thrown_ = thrown;
  changed_.notify_all();
}

}  // namespace troupe::testing
