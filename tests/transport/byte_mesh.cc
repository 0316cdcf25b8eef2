#include "tests/transport/byte_mesh.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace troupe::testing {
namespace {

using transport::Element;
using transport::Tensor;

void write_bytes(int socket, const void* data, std::size_t size) {
  const auto* at = static_cast<const std::byte*>(data);
  while (size > 0) {
    const ssize_t written = ::send(socket, at, size, MSG_NOSIGNAL);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // whoever reads sees the end of the stream
    at += written;
    size -= static_cast<std::size_t>(written);
  }
}

/// False at the end of the stream.
bool read_bytes(int socket, void* data, std::size_t size) {
  auto* at = static_cast<std::byte*>(data);
  while (size > 0) {
    const ssize_t got = ::read(socket, at, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace

Tensor Frame::tensor() {
  return {bytes.data(), static_cast<Element>(header.element), header.rows, header.columns, header.columns};
}

FrameHeader header_of(const Tensor& tensor) {
  FrameHeader header;
  header.length = tensor.bytes();
  header.element = static_cast<std::uint64_t>(tensor.element);
  header.rows = tensor.rows;
  header.columns = tensor.columns;
  return header;
}

void Port::connect(std::size_t other, int socket, Error gone) {
  links_[other] = std::make_unique<Link>(socket, std::move(gone));
}

void Port::start() {
  if (size() > 1) reader_ = std::thread([this] { read_all(); });
}

Port::~Port() {
  if (reader_.joinable()) reader_.join();
  for (const auto& link : links_) {
    if (link != nullptr) ::close(link->socket);
  }
}

void Port::write(std::size_t to, FrameHeader header, const Tensor* tensor) {
  Link& link = *links_[to];
  const std::lock_guard lock(link.writing);
  if (tensor == nullptr && header.kind != FrameHeader::abort) header.length = 0;
  write_bytes(link.socket, &header, sizeof header);
  if (tensor == nullptr) return;
  const std::size_t element = size_of(tensor->element);
  for (std::size_t row = 0; row < tensor->rows; ++row)
    write_bytes(link.socket, tensor->data + row * tensor->stride * element, tensor->columns * element);
}

Result<void> Port::wait_for(std::size_t from, std::uint64_t count, transport::WaitPolicy policy,
                            transport::Deadline deadline, const char* what) {
  return links_[from]->arrived.wait_until(count, policy, deadline, links_[from]->closed, what);
}

Frame Port::take(std::size_t from) {
  const std::lock_guard lock(links_[from]->mutex);
  Frame frame = std::move(links_[from]->inbox.front());
  links_[from]->inbox.pop_front();
  return frame;
}

Error Port::abort(Error why) {
  raise(why);
  FrameHeader header;
  header.kind = FrameHeader::abort;
  header.root = static_cast<std::uint64_t>(aborted_.error().code());
  std::string message = aborted_.error().message();
  const Tensor text = transport::tensor_of(reinterpret_cast<std::byte*>(message.data()), 1, message.size());
  header.length = message.size();
  for (std::size_t other = 0; other < size(); ++other) {
    if (other != rank_) write(other, header, &text);
  }
  return aborted_.error();
}

void Port::raise(const Error& why) {
  aborted_.raise(why);
  for (const auto& link : links_) {
    if (link == nullptr) continue;
    link->closed.raise(aborted_.error());
    link->arrived.interrupt();
  }
}

void Port::leave() {
  for (const auto& link : links_) {
    if (link != nullptr) ::shutdown(link->socket, SHUT_WR);
  }
}

void Port::read_all() {
  std::vector<pollfd> open;
  std::vector<Link*> links;
  for (const auto& link : links_) {
    if (link == nullptr) continue;
    open.push_back({link->socket, POLLIN, 0});
    links.push_back(link.get());
  }
  while (!open.empty()) {
    if (::poll(open.data(), open.size(), -1) < 0) continue;
    for (std::size_t i = open.size(); i-- > 0;) {
      if (open[i].revents == 0 || read_one(*links[i])) continue;
      links[i]->closed.raise(links[i]->gone);
      links[i]->arrived.interrupt();
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(i));
      links.erase(links.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
}

bool Port::read_one(Link& link) {
  Frame frame;
  if (!read_bytes(link.socket, &frame.header, sizeof frame.header)) return false;
  frame.bytes.resize(frame.header.length);
  if (!read_bytes(link.socket, frame.bytes.data(), frame.bytes.size())) return false;
  if (frame.header.kind == FrameHeader::abort) {
    raise({static_cast<Code>(frame.header.root),
           std::string(reinterpret_cast<const char*>(frame.bytes.data()), frame.bytes.size())});
    return true;
  }
  {
    const std::lock_guard lock(link.mutex);
    link.inbox.push_back(std::move(frame));
  }
  link.arrived.advance();
  return true;
}

Mesh::Mesh(const std::string& name, const std::vector<std::string>& names) {
  for (std::size_t rank = 0; rank < names.size(); ++rank) ports_.push_back(std::make_unique<Port>(rank, names.size()));
  for (std::size_t a = 0; a < names.size(); ++a) {
    for (std::size_t b = a + 1; b < names.size(); ++b) {
      int pair[2];
      if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        throw std::system_error(errno, std::generic_category(), "socketpair");
      const auto gone = [&](std::size_t rank) { return Error(Code::aborted, name + ": " + names[rank] + " is gone"); };
      ports_[a]->connect(b, pair[0], gone(b));
      ports_[b]->connect(a, pair[1], gone(a));
    }
  }
  for (const auto& port : ports_) port->start();
}

Mesh::~Mesh() {
  for (const auto& port : ports_) port->leave();
}

}  // namespace troupe::testing
