#pragma once

#include <algorithm>

#include "tests/host/house.hpp"

namespace troupe::testing {

using Lines = std::vector<std::pair<LogLevel, std::string>>;

/// Keeps what is logged; any thread.
class Journal {
 public:
  [[nodiscard]] std::function<void(LogLevel, std::string_view)> writer() {
    return [this](LogLevel level, std::string_view line) {
      const std::lock_guard lock(mutex_);
      lines_.emplace_back(level, line);
    };
  }
  [[nodiscard]] Lines lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  [[nodiscard]] std::size_t count(LogLevel level, const std::string& part) const {
    const Lines all = lines();
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const auto& line) {
      return line.first == level && line.second.find(part) != std::string::npos;
    }));
  }

 private:
  mutable std::mutex mutex_;
  Lines lines_;
};

}  // namespace troupe::testing
