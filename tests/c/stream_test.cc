#include <condition_variable>
#include <mutex>

#include "tests/c/requests.hpp"

namespace troupe::testing {
namespace {

/// A stream as its callbacks get it.
struct Stream {
  std::mutex mutex{};
  std::condition_variable changed{};
  Ids ids{};
  std::uint64_t request = 0;
  int finished = 0, reason = -1;
  troupe_status status = TROUPE_OK;
  std::string message{}, text{};
  std::uint32_t generated = 0, prompt = 0;
  std::size_t fails_at = 0;  ///< the token that on_token refuses, from 1

  void wait() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return finished > 0; });
  }
};

troupe_status on_token(void* user, std::uint64_t request, const troupe_token* token, troupe_error* error) {
  auto& stream = *static_cast<Stream*>(user);
  const std::lock_guard lock(stream.mutex);
  stream.request = request;
  if (token->id >= 0) stream.ids.push_back(token->id);
  stream.text.append(token->text, token->length);
  return stream.ids.size() == stream.fails_at ? troupe_error_set(error, TROUPE_QUEUE_FULL, "the host is full")
                                              : TROUPE_OK;
}

void on_finish(void* user, std::uint64_t request, const troupe_finish* finish) {
  auto& stream = *static_cast<Stream*>(user);
  const std::lock_guard lock(stream.mutex);
  if (stream.request != request && stream.request != 0) stream.finished = 100;
  ++stream.finished;
  stream.reason = finish->reason;
  stream.status = finish->status;
  stream.message = finish->message;
  stream.generated = finish->generated_tokens;
  stream.prompt = finish->prompt_tokens;
  stream.changed.notify_all();
}

troupe_callbacks into(Stream& stream) {
  auto callbacks = made(troupe_callbacks_default);
  callbacks.on_token = on_token;
  callbacks.on_finish = on_finish;
  callbacks.user = &stream;
  return callbacks;
}

troupe_status begin(const troupe_model* model, Stream& stream, const troupe_generate_options& options,
                    troupe_request** request, troupe_error* error) {
  const auto callbacks = into(stream);
  return troupe_model_generate_ids(model, hello.data(), hello.size(), &options, &callbacks, request, error);
}

}  // namespace

TEST_CASE("C: a stream by callback is the one that is read, and ends once") {
  const HeldRuntime runtime = new_runtime();
  const HeldModel model = loaded(runtime, "pp2");
  const Read expected = read(started(model, hello, tokens(20)));
  Stream stream;
  HeldRequest request;
  succeeds([&](auto* error) { return begin(model, stream, tokens(20), request.out(), error); });
  stream.wait();
  CHECK(stream.ids == expected.ids);
  CHECK(stream.text == expected.text);
  CHECK(stream.request == troupe_request_id(request));
  CHECK(stream.finished == 1);
  CHECK(stream.reason == TROUPE_FINISH_LENGTH);
  CHECK(stream.status == TROUPE_OK);
  CHECK(stream.message.empty());
  CHECK(stream.generated == 20);
  CHECK(stream.prompt == 5);
  auto token = made(troupe_token_default);
  fails(TROUPE_INVALID_ARGUMENT, "callbacks",
        [&](auto* error) { return troupe_request_next(request, 0, &token, error); });
}

TEST_CASE("C: nobody need hold a request with callbacks, and what is not wanted may be NULL") {
  const HeldRuntime runtime = new_runtime();
  const HeldModel model = loaded(runtime);
  Stream stream;
  succeeds([&](auto* error) { return begin(model, stream, tokens(20), nullptr, error); });
  stream.wait();
  CHECK(stream.ids.size() == 20);
  const auto silent = made(troupe_callbacks_default);
  succeeds([&](auto* error) { return troupe_model_generate(model, "a", 1, nullptr, &silent, nullptr, error); });
  auto unmade = silent;
  unmade.size = 0;
  fails(TROUPE_INVALID_ARGUMENT, "troupe_callbacks_default",
        [&](auto* error) { return troupe_model_generate(model, "a", 1, nullptr, &unmade, nullptr, error); });
}

TEST_CASE("C: what on_token answers ends its request") {
  const HeldRuntime runtime = new_runtime();
  const HeldModel model = loaded(runtime);
  Stream stream;
  stream.fails_at = 3;
  succeeds([&](auto* error) { return begin(model, stream, tokens(100), nullptr, error); });
  stream.wait();
  CHECK(stream.ids.size() == 3);
  CHECK(stream.reason == TROUPE_FINISH_ERROR);
  CHECK(stream.status == TROUPE_QUEUE_FULL);
  CHECK(stream.message.find("the host is full") != std::string::npos);
}

TEST_CASE("C: a stream by callback is cancelled, and ends with its model") {
  const HeldRuntime runtime = new_runtime();
  HeldModel model = loaded(runtime);
  Stream cancelled;
  HeldRequest request;
  succeeds([&](auto* error) { return begin(model, cancelled, tokens(200), request.out(), error); });
  succeeds([&](auto* error) { return troupe_request_cancel(request, error); });
  cancelled.wait();
  CHECK((cancelled.reason == TROUPE_FINISH_CANCELLED || cancelled.ids.size() == 200));
  request.free();

  Stream left;
  succeeds([&](auto* error) { return begin(model, left, tokens(200), nullptr, error); });
  model.free();
  CHECK(left.finished == 1);
  CHECK((left.status == TROUPE_ABORTED || left.ids.size() == 200));
}

TEST_CASE("C: a stream is waited for so long at most, and says how it has ended") {
  const HeldRuntime runtime = new_runtime();
  const HeldModel model = loaded(runtime);
  const HeldRequest request = started(model, hello, tokens(10));
  auto token = made(troupe_token_default);
  auto finish = made(troupe_finish_default);
  std::size_t count = 0;
  Said said;
  troupe_status status = TROUPE_OK;
  while ((status = troupe_request_next(request, 1, &token, said)) != TROUPE_END) {
    REQUIRE((status == TROUPE_OK || status == TROUPE_NOT_YET));
    CHECK(said.message().empty());
    if (status == TROUPE_OK) ++count;
    if (count < 10) CHECK(troupe_request_finish(request, &finish, said) == TROUPE_NOT_YET);
  }
  CHECK(count == 10);
  CHECK(troupe_request_finish(request, &finish, said) == TROUPE_OK);
  CHECK(finish.reason == TROUPE_FINISH_LENGTH);
  CHECK(finish.generated_tokens == 10);
  CHECK(finish.first_token_ns > 0);
  CHECK(std::string(troupe_finish_name(finish.reason)) == "length");
  CHECK(std::string(troupe_finish_name(-1)) == "unknown");
  CHECK(troupe_request_next(request, INT64_MAX, &token, said) == TROUPE_END);
}

TEST_CASE("C: a failure is what next says, with and without a limit") {
  const HeldRuntime runtime = new_runtime();
  const HeldModel model = loaded(runtime);
  auto options = tokens(200);
  options.deadline_ms = 0;
  for (const std::int64_t timeout : {std::int64_t{-1}, std::int64_t{1000000}}) {
    const HeldRequest request = started(model, hello, options);
    auto token = made(troupe_token_default);
    auto finish = made(troupe_finish_default);
    Said said;
    while (troupe_request_next(request, timeout, &token, said) == TROUPE_OK) {
    }
    CHECK(said.status() == TROUPE_DEADLINE);
    CHECK(troupe_request_finish(request, &finish, said) == TROUPE_OK);
    CHECK(finish.reason == TROUPE_FINISH_DEADLINE);
    CHECK(finish.status == TROUPE_DEADLINE);
    CHECK(std::string(finish.message).size() > 5);
  }
}

}  // namespace troupe::testing
