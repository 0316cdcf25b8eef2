#include "runtime/c/stream.hpp"

#include <memory>
#include <utility>

#include "runtime/c/boundary.hpp"
#include "runtime/c/sized.hpp"

namespace troupe::c {
namespace {

static_assert(static_cast<int>(FinishReason::end) == TROUPE_FINISH_END);
static_assert(static_cast<int>(FinishReason::stop) == TROUPE_FINISH_STOP);
static_assert(static_cast<int>(FinishReason::length) == TROUPE_FINISH_LENGTH);
static_assert(static_cast<int>(FinishReason::context) == TROUPE_FINISH_CONTEXT);
static_assert(static_cast<int>(FinishReason::cancelled) == TROUPE_FINISH_CANCELLED);
static_assert(static_cast<int>(FinishReason::deadline) == TROUPE_FINISH_DEADLINE);
static_assert(static_cast<int>(FinishReason::error) == TROUPE_FINISH_ERROR);

}  // namespace

troupe_token ShownToken::show(Token token) {
  token_ = std::move(token);
  logprobs_.clear();
  for (const TokenLogprob& one : token_.logprobs) logprobs_.push_back({one.id, one.logprob});
  return {.size = sizeof(troupe_token),
          .text = token_.text.c_str(),
          .length = token_.text.size(),
          .logprobs = logprobs_.data(),
          .logprob_count = logprobs_.size(),
          .id = token_.id,
          .reserved = 0};
}

troupe_finish shown(const Finish& finish) {
  return {.size = sizeof(troupe_finish),
          .stop = finish.stop.c_str(),
          .message = finish.error ? finish.error->message().c_str() : "",
          .first_token_ns = finish.usage.first_token.count(),
          .prompt_tokens = finish.usage.prompt_tokens,
          .cached_tokens = finish.usage.cached_tokens,
          .generated_tokens = finish.usage.generated_tokens,
          .reason = static_cast<std::int32_t>(finish.reason),
          .status = finish.error ? status_of(finish.error->code()) : TROUPE_OK,
          .reserved = 0};
}

StreamCallbacks callbacks_of(const troupe_callbacks& host, const std::shared_ptr<Release>& release) {
  StreamCallbacks made;
  made.on_token = [host, release, shown = ShownToken()](const Request& request, Token token) mutable {
    if (host.on_token == nullptr) return;
    const troupe_token told = shown.show(std::move(token));
    ask("the host's on_token",
        [&](troupe_error* error) { return host.on_token(host.user, request.id(), &told, error); });
  };
  made.on_finish = [host, release](const Request& request, const Finish& finish) {
    if (host.on_finish == nullptr) return;
    const troupe_finish told = c::shown(finish);
    host.on_finish(host.user, request.id(), &told);
  };
  return made;
}

}  // namespace troupe::c

using namespace troupe;
using namespace troupe::c;

const char* troupe_finish_name(int32_t reason) { return to_string(static_cast<FinishReason>(reason)); }

void troupe_token_default(troupe_token* token, size_t size) {
  troupe_token none{};
  none.id = no_token;
  write(token, size, none);
}

void troupe_finish_default(troupe_finish* finish, size_t size) { write(finish, size, troupe_finish{}); }

void troupe_callbacks_default(troupe_callbacks* callbacks, size_t size) { write(callbacks, size, troupe_callbacks{}); }
