#include "actors/host/generation.hpp"

#include "kernels/floating_point.hpp"

namespace troupe {
namespace {

Generation::Impl& held(const std::shared_ptr<Generation::Impl>& impl) { return host::held(impl, "the generation"); }

}  // namespace

Generation::Impl::~Impl() {
  try {
    const bool under_way = request && !stream->over();
    if (under_way) model->stop(request->id(), Error(Code::cancelled, "the host dropped the request"));
  } catch (...) {  // no memory for the message: the request goes on to its end, and nobody reads it
  }
}

StreamCallbacks Generation::Impl::callbacks() const {
  return {.on_token = [to = stream](const Request&, Token token) { to->push(std::move(token)); },
          .on_finish = [to = stream](const Request&, Finish finish) { to->end(std::move(finish)); }};
}

Generation::Generation(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Generation::Generation(Generation&&) noexcept = default;
Generation& Generation::operator=(Generation&&) noexcept = default;
Generation::~Generation() = default;

std::optional<Token> Generation::next() {
  Impl& impl = held(impl_);
  impl.model->check_wait();
  return impl.stream->next(host::StreamBuffer::Time::max(), [&] { return impl.model->has_lost_actors(); });
}

std::optional<Token> Generation::next(std::chrono::milliseconds timeout) {
  Impl& impl = held(impl_);
  impl.model->check_wait();
  return impl.stream->next(host::after(timeout), [&] { return impl.model->has_lost_actors(); });
}

std::optional<Finish> Generation::finish() const { return held(impl_).stream->finish(); }

std::uint64_t Generation::id() const { return held(impl_).request->id(); }

void Generation::cancel() { held(impl_).request->cancel(); }

Request::Request(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

std::uint64_t Request::id() const { return host::held(impl_, "the request").id; }

void Request::cancel() const {
  const Impl& impl = host::held(impl_, "the request");
  impl.made_in.check();
  if (const auto model = impl.model.lock()) model->stop(impl.id, Error(Code::cancelled, "the request was cancelled"));
}

}  // namespace troupe
