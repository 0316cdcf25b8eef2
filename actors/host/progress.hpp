#pragma once

#include <exception>
#include <functional>

#include "kernels/floating_point.hpp"

namespace troupe::host {

/// The host's `progress`. What it throws is kept, and cancels.
class Progress {
 public:
  explicit Progress(const std::function<void(double)>& host) : host_(host) {}

  /// False once the host has thrown.
  [[nodiscard]] bool tell(double fraction) noexcept {
    if (!host_) return true;
    const volatile double computed = fraction;  // else compilers divide behind the change of state
    try {
      const kernels::HostFloatingPointScope floats;
      host_(computed);
    } catch (...) {
      thrown_ = std::current_exception();
    }
    return thrown_ == nullptr;
  }

  /// Throws what the host has thrown.
  void rethrow() const {
    if (thrown_) std::rethrow_exception(thrown_);
  }

 private:
  const std::function<void(double)>& host_;
  std::exception_ptr thrown_;
};

}  // namespace troupe::host
