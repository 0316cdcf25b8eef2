#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/plan/check.hpp"
#include "transport/transport.hpp"

namespace troupe::host {

/// The transports that a deployment's parts are joined by, by name: each opened when it is first asked for, so that the
/// ends of one name meet in one object.
class Transports {
 public:
  explicit Transports(std::vector<const transport::TransportKind*> kinds) : kinds_(std::move(kinds)) {}

  [[nodiscard]] KnownNames known() const;

  /// Precondition: it is known.
  [[nodiscard]] Result<transport::Transport*> get(const std::string& name);

 private:
  std::vector<const transport::TransportKind*> kinds_;
  std::map<std::string, std::unique_ptr<transport::Transport>> open_;
};

}  // namespace troupe::host
