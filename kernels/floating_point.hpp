#pragma once

#include <cfenv>

namespace troupe::kernels {

/// Sets the calling thread's whole floating-point state to what the contract assumes: to nearest even, denormals kept,
/// no exception traps.
void set_floating_point_mode();

// Compilers move arithmetic, though no calls, across the scopes below: keep it in functions of other files, or its
// result in a volatile where it crosses.

/// Around what computes on a thread of the host's: the contract's state, and at the end the host's again as it was,
/// exception flags included. Within another one it does nothing.
class FloatingPointScope {
 public:
  FloatingPointScope();
  ~FloatingPointScope();
  FloatingPointScope(const FloatingPointScope&) = delete;
  FloatingPointScope& operator=(const FloatingPointScope&) = delete;

 private:
  std::fenv_t host_;
  bool outermost_;
};

/// Around a call of the host's code: on a thread of the host's it sees the host's state, and whatever it sets, the
/// contract's state comes after it. A FloatingPointScope within it stands for itself.
class HostFloatingPointScope {
 public:
  HostFloatingPointScope();
  ~HostFloatingPointScope();
  HostFloatingPointScope(const HostFloatingPointScope&) = delete;
  HostFloatingPointScope& operator=(const HostFloatingPointScope&) = delete;

 private:
  const std::fenv_t* host_;  ///< null on a thread of ours
};

}  // namespace troupe::kernels
