#include "actors/host/transports.hpp"

#include <algorithm>

#include "runtime/text/joined.hpp"

namespace troupe::host {

KnownNames Transports::known() const {
  const auto has = [kinds = kinds_](const std::string& name) {
    return std::any_of(kinds.begin(), kinds.end(), [&](const auto* kind) { return kind->name == name; });
  };
  return {has, joined(kinds_, &transport::TransportKind::name)};
}

Result<transport::Transport*> Transports::get(const std::string& name) {
  std::unique_ptr<transport::Transport>& transport = open_[name];
  if (transport == nullptr) {
    const auto kind = std::find_if(kinds_.begin(), kinds_.end(), [&](const auto* each) { return each->name == name; });
    auto opened = (*kind)->open();
    if (!opened) return opened.error();
    transport = std::move(*opened);
  }
  return transport.get();
}

Result<std::unique_ptr<transport::Sender>> Transports::make_sender(const PartEnd& end, transport::WaitPolicy policy) {
  const auto transport = get(end.via);
  if (!transport) return transport.error();
  return (*transport)->make_sender({end.channel, end.slots, end.slot_bytes}, policy);
}

Result<std::unique_ptr<transport::Receiver>> Transports::make_receiver(const PartEnd& end,
                                                                       transport::WaitPolicy policy) {
  const auto transport = get(end.via);
  if (!transport) return transport.error();
  return (*transport)->make_receiver({end.channel, end.slots, end.slot_bytes}, policy);
}

Result<std::unique_ptr<transport::Communicator>> Transports::make_rank(const PartGroup& stage,
                                                                       const ProgramGroup& group,
                                                                       transport::WaitPolicy policy) {
  const auto transport = get(stage.via);
  if (!transport) return transport.error();
  const std::string name = stage.name + "/" + group.name + std::to_string(group.number);
  return (*transport)->make_rank({name, static_cast<int>(group.size)}, static_cast<int>(group.rank), policy);
}

}  // namespace troupe::host
