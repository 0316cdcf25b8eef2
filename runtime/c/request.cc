#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "runtime/c/boundary.hpp"
#include "runtime/c/handles.hpp"
#include "runtime/c/options.hpp"
#include "runtime/c/sized.hpp"
#include "runtime/c/stream.hpp"

/// One request: with what it is read by, or what its callbacks are told of; and its model.
struct troupe_request {
  explicit troupe_request(const troupe::Model& asked) : model(asked) {}

  troupe::Model model;
  std::variant<std::monostate, troupe::Generation, troupe::Request> stream;
  std::uint64_t id = 0;
  troupe::c::ShownToken token;           ///< the last that was read
  std::optional<troupe::Finish> finish;  ///< once it was asked for
};

namespace troupe::c {
namespace {

/// Starts a request of a prompt of whichever kind. The handle comes first: nothing that has begun is lost for want of
/// memory.
template <class Prompt>
void start(troupe_request& handle, Prompt prompt, const troupe_generate_options* options,
           const troupe_callbacks* callbacks) {
  const GenerateOptions wanted = generate_options(options);
  if (callbacks == nullptr) {
    handle.id = handle.stream.emplace<Generation>(handle.model.generate(std::move(prompt), wanted)).id();
  } else {
    const troupe_callbacks host = read(callbacks, troupe_callbacks{}, "troupe_callbacks");
    const auto release = std::make_shared<Release>(host.release, host.user);
    Request request = handle.model.generate(std::move(prompt), wanted, callbacks_of(host, release));
    release->arm();
    handle.id = handle.stream.emplace<Request>(std::move(request)).id();
  }
}

template <class MakePrompt>
troupe_status generate(const troupe_model* model, const MakePrompt& prompt, const troupe_generate_options* options,
                       const troupe_callbacks* callbacks, troupe_request** request, troupe_error* error) {
  return guarded(error, [&] {
    if (request != nullptr || callbacks == nullptr) emptied(request, "request");
    auto handle = std::make_unique<troupe_request>(needed(model, "model").model);
    start(*handle, prompt(), options, callbacks);
    if (request != nullptr) *request = handle.release();
  });
}

Generation& readable(troupe_request* request) {
  auto* const stream = std::get_if<Generation>(&needed(request, "request").stream);
  if (stream != nullptr) return *stream;
  throw Error(Code::invalid_argument, "the request has callbacks, which get its stream; it cannot be read");
}

std::optional<Token> next_token(Generation& stream, std::int64_t timeout_ms) {
  return timeout_ms < 0 ? stream.next() : stream.next(milliseconds(timeout_ms));
}

/// What an empty answer of next() means.
troupe_status why_empty(const Generation& stream, std::int64_t timeout_ms) {
  if (timeout_ms < 0) return TROUPE_END;
  const auto finish = stream.finish();
  if (finish && finish->error) throw *finish->error;
  return finish ? TROUPE_END : TROUPE_NOT_YET;
}

}  // namespace
}  // namespace troupe::c

using namespace troupe;
using namespace troupe::c;

troupe_status troupe_model_generate(const troupe_model* model, const char* prompt, size_t length,
                                    const troupe_generate_options* options, const troupe_callbacks* callbacks,
                                    troupe_request** request, troupe_error* error) {
  const auto text = [&] { return text_of(prompt, length, "prompt"); };
  return generate(model, text, options, callbacks, request, error);
}

troupe_status troupe_model_generate_ids(const troupe_model* model, const int32_t* ids, size_t count,
                                        const troupe_generate_options* options, const troupe_callbacks* callbacks,
                                        troupe_request** request, troupe_error* error) {
  const auto prompt = [&] {
    const auto given = ids_of(ids, count, "ids");
    return std::vector<TokenId>(given.begin(), given.end());
  };
  return generate(model, prompt, options, callbacks, request, error);
}

void troupe_request_free(troupe_request* request) { delete request; }

troupe_status troupe_request_next(troupe_request* request, int64_t timeout_ms, troupe_token* token,
                                  troupe_error* error) {
  return guarded(error, [&] {
    Generation& stream = readable(request);
    check_size(needed(token, "token"), "troupe_token");
    auto came = next_token(stream, timeout_ms);
    if (!came) return why_empty(stream, timeout_ms);
    fill(token, "token", request->token.show(std::move(*came)));
    return troupe_status{TROUPE_OK};
  });
}

troupe_status troupe_request_finish(troupe_request* request, troupe_finish* finish, troupe_error* error) {
  return guarded(error, [&] {
    const Generation& stream = readable(request);
    check_size(needed(finish, "finish"), "troupe_finish");
    if (!request->finish) request->finish = stream.finish();
    if (!request->finish) return troupe_status{TROUPE_NOT_YET};
    fill(finish, "finish", shown(*request->finish));
    return troupe_status{TROUPE_OK};
  });
}

troupe_status troupe_request_cancel(troupe_request* request, troupe_error* error) {
  return guarded(error, [&] {
    auto& stream = needed(request, "request").stream;
    if (auto* const generation = std::get_if<Generation>(&stream)) {
      generation->cancel();
    } else {
      std::get<Request>(stream).cancel();
    }
  });
}

uint64_t troupe_request_id(const troupe_request* request) { return request == nullptr ? 0 : request->id; }
