#include "runtime/cli/progress_line.hpp"

#include <unistd.h>

#include <cstdio>
#include <utility>

namespace troupe::cli {

ProgressLine::ProgressLine(std::string what) : what_(std::move(what)), terminal_(isatty(STDERR_FILENO) != 0) {}

ProgressLine::~ProgressLine() {
  if (shown_) std::fputs("\r\x1b[K", stderr);
}

void ProgressLine::show(double fraction) {
  if (!terminal_ || std::chrono::steady_clock::now() - start_ < std::chrono::seconds(1)) return;
  std::fprintf(stderr, "\r\x1b[K%s %3.0f %%", what_.c_str(), fraction * 100);
  shown_ = true;
}

}  // namespace troupe::cli
