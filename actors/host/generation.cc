#include "actors/host/generation.hpp"

#include "kernels/floating_point.hpp"

namespace troupe {
namespace {

Generation::Impl& held(const std::shared_ptr<Generation::Impl>& impl) { return host::held(impl, "the generation"); }

}  // namespace

Generation::Impl::~Impl() {
  try {
    if (!stream->over()) model->stop(id, Error(Code::cancelled, "the host dropped the request"));
  } catch (...) {  // no memory for the message: the request goes on to its end, and nobody reads it
  }
}

Generation::Generation(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Generation::Generation(Generation&&) noexcept = default;
Generation& Generation::operator=(Generation&&) noexcept = default;
Generation::~Generation() = default;

std::optional<Token> Generation::next() {
  Impl& impl = held(impl_);
  impl.model->check_wait();
  return impl.stream->next([&] { return impl.model->has_lost_actors(); });
}

std::optional<Token> Generation::next(std::chrono::milliseconds) {
  throw Error(Code::unsupported, "next with a timeout is not there yet");
}

std::optional<Finish> Generation::finish() const { throw Error(Code::unsupported, "finish is not there yet"); }

std::uint64_t Generation::id() const { return held(impl_).id; }

void Generation::cancel() {
  Impl& impl = held(impl_);
  impl.model->process().check();
  impl.model->stop(impl.id, Error(Code::cancelled, "the request was cancelled"));
}

Request::Request(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
std::uint64_t Request::id() const { throw Error(Code::unsupported, "requests with callbacks are not there yet"); }
void Request::cancel() const { throw Error(Code::unsupported, "requests with callbacks are not there yet"); }

}  // namespace troupe
