#pragma once

#include <csignal>

namespace troupe::cli {

/// While one lives, ctrl-C sets a flag, and wakes the thread that made it from what it reads, instead of ending the
/// program. One at a time.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  [[nodiscard]] bool came() const;  ///< since the last clear()
  void clear();

 private:
  struct sigaction before_ {};
};

}  // namespace troupe::cli
