#include "actors/host/callback_stream.hpp"

#include <utility>

#include "kernels/floating_point.hpp"
#include "runtime/program/thrown.hpp"

namespace troupe::host {

/// Precondition: mutex_ is held.
void CallbackStream::note(const Token& token) {
  if (token.id == no_token) return;
  if (usage_.generated_tokens++ == 0) {
    usage_.first_token = std::chrono::steady_clock::now() - asked_;
    open_->count_prompt(usage_.prompt_tokens, usage_.cached_tokens);
  }
  open_->count_token();
}

/// Want of memory ends this one request.
std::optional<Error> CallbackStream::tell(Token token) {
  if (!callbacks_.on_token) return std::nullopt;
  try {
    try {
      const kernels::HostFloatingPointScope floats;
      callbacks_.on_token(request_, std::move(token));
      return std::nullopt;
    } catch (const std::bad_alloc&) {
      throw;
    } catch (...) {
      return error_of_thrown("on_token");
    }
  } catch (const std::bad_alloc&) {
    return Error(Code::out_of_memory, "out of memory");
  }
}

std::optional<Error> CallbackStream::push(Token token) {
  {
    const std::lock_guard lock(mutex_);
    if (over_ || deaf_) return std::nullopt;
    note(token);
    calling_ = true;
  }
  auto thrown = tell(std::move(token));
  bool ended = false;
  {
    const std::lock_guard lock(mutex_);
    calling_ = false;
    deaf_ = thrown.has_value();
    ended = over_;
  }
  if (ended) tell_end();
  return thrown;
}

void CallbackStream::begin(std::uint32_t cached_tokens) {
  const std::lock_guard lock(mutex_);
  if (usage_.generated_tokens == 0) usage_.cached_tokens = cached_tokens;  // not where a replica goes on
}

void CallbackStream::end(Finish finish) {
  {
    const std::lock_guard lock(mutex_);
    if (over_) return;
    over_ = true;
    const bool only_read = usage_.generated_tokens == 0 && !finish.error;
    if (only_read) open_->count_prompt(usage_.prompt_tokens, usage_.cached_tokens);
    finish.usage = usage_;
    finish_ = std::move(finish);
    if (calling_) return;
  }
  tell_end();
}

/// Precondition: over_, and nobody else calls.
void CallbackStream::tell_end() {
  StreamCallbacks callbacks = std::move(callbacks_);
  open_->leave(request_.id(), finish_->reason);
  try {
    const kernels::HostFloatingPointScope floats;
    if (callbacks.on_finish) callbacks.on_finish(request_, std::move(*finish_));
    callbacks = {};
  } catch (...) {
    log_(LogLevel::warning,
         [&] { return "request " + std::to_string(request_.id()) + ": " + error_of_thrown("on_finish").message(); });
  }
  open_->note_last_call();
}

}  // namespace troupe::host
