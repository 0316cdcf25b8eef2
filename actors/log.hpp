#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "kernels/floating_point.hpp"
#include "troupe/runtime.hpp"

namespace troupe::actors {

/// The host's log callback, or none. Whatever it throws stays here. Copies share it; any thread.
class Log {
 public:
  Log() = default;
  explicit Log(std::function<void(LogLevel, std::string_view)> callback)
      : callback_(std::make_shared<const std::function<void(LogLevel, std::string_view)>>(std::move(callback))) {}

  /// `line()`, a text, is only made where somebody listens.
  template <class Line>
  void operator()(LogLevel level, const Line& line) const noexcept {
    if (callback_ == nullptr || !*callback_) return;
    try {
      const kernels::HostFloatingPointScope floats;
      (*callback_)(level, line());
    } catch (...) {  // a log that fails is no reason for anything else to fail
    }
  }

 private:
  std::shared_ptr<const std::function<void(LogLevel, std::string_view)>> callback_;
};

}  // namespace troupe::actors
