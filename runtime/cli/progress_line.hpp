#pragma once

#include <chrono>
#include <string>

namespace troupe::cli {

/// One line of standard error where that is a terminal, there only while something takes more than a second.
class ProgressLine {
 public:
  explicit ProgressLine(std::string what);
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine();

  void show(double fraction);

 private:
  const std::string what_;
  const bool terminal_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  bool shown_ = false;
};

}  // namespace troupe::cli
