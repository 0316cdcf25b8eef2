#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/deploy/blueprint.hpp"
#include "runtime/program/program.hpp"
#include "transport/transport.hpp"

namespace troupe::host {

/// The transports that a deployment's parts are joined by, by name: each opened when it is first asked for, so that the
/// ends of one name meet in one object.
class Transports {
 public:
  explicit Transports(std::vector<const transport::TransportKind*> kinds) : kinds_(std::move(kinds)) {}

  [[nodiscard]] KnownNames known() const;

  // A part's ends. Precondition: what they are joined by is known.
  [[nodiscard]] Result<std::unique_ptr<transport::Sender>> make_sender(const PartEnd& end,
                                                                       transport::WaitPolicy policy);
  [[nodiscard]] Result<std::unique_ptr<transport::Receiver>> make_receiver(const PartEnd& end,
                                                                           transport::WaitPolicy policy);
  [[nodiscard]] Result<std::unique_ptr<transport::Communicator>> make_rank(const PartGroup& stage,
                                                                           const ProgramGroup& group,
                                                                           transport::WaitPolicy policy);

 private:
  [[nodiscard]] Result<transport::Transport*> get(const std::string& name);

  std::vector<const transport::TransportKind*> kinds_;
  std::map<std::string, std::unique_ptr<transport::Transport>> open_;
};

}  // namespace troupe::host
