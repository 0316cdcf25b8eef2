#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "transport/transport.hpp"

namespace troupe::host {

/// The transports that a deployment's parts are joined by, by name: each opened when it is first asked for, so that the
/// ends of one name meet in one object.
class Transports {
 public:
  explicit Transports(std::vector<const transport::TransportKind*> kinds) : kinds_(std::move(kinds)) {}

  /// Whether there is one of that name; the error says of which names there are.
  [[nodiscard]] Result<void> check(const std::string& name) const;

  [[nodiscard]] Result<transport::Transport*> get(const std::string& name);

 private:
  [[nodiscard]] Result<const transport::TransportKind*> find(const std::string& name) const;

  std::vector<const transport::TransportKind*> kinds_;
  std::map<std::string, std::unique_ptr<transport::Transport>> open_;
};

}  // namespace troupe::host
