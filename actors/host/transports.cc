#include "actors/host/transports.hpp"

#include "runtime/text/joined.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe::host {

Result<void> Transports::check(const std::string& name) const {
  const auto found = find(name);
  return found ? Result<void>() : found.error();
}

Result<transport::Transport*> Transports::get(const std::string& name) {
  if (const auto open = open_.find(name); open != open_.end()) return open->second.get();
  const auto kind = find(name);
  if (!kind) return kind.error();
  auto opened = (*kind)->open();
  if (!opened) return opened.error();
  return open_.emplace(name, std::move(*opened)).first->second.get();
}

Result<const transport::TransportKind*> Transports::find(const std::string& name) const {
  for (const transport::TransportKind* kind : kinds_) {
    if (kind->name == name) return kind;
  }
  return Error(Code::invalid_argument, "transport " + quoted(name) + " is unknown; there are " +
                                           joined(kinds_, &transport::TransportKind::name));
}

}  // namespace troupe::host
