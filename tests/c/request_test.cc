#include <atomic>
#include <thread>
#include <vector>

#include "tests/c/requests.hpp"

namespace troupe::testing {

TEST_CASE("C: a stream is read token by token, the same for the same prompt") {
  const HeldRuntime runtime = new_runtime();
  const HeldModel model = loaded(runtime, "pp2");
  const Read first = read(started(model, hello, tokens(20)));
  CHECK(first.status == TROUPE_END);
  CHECK(first.ids.size() == 20);
  CHECK(read(started(model, hello, tokens(20))).ids == first.ids);

  HeldRequest text;
  const auto options = tokens(20);
  succeeds([&](auto* error) { return troupe_model_generate(model, "hello", 5, &options, nullptr, text.out(), error); });
  CHECK(read(std::move(text)).ids.size() == 20);
}

TEST_CASE("C: a request outlives the handles that it stands on") {
  HeldRuntime runtime = new_runtime();
  HeldModel model = loaded(runtime);
  HeldRequest request = started(model, hello, tokens(30));
  runtime.free();
  model.free();
  CHECK(troupe_request_id(request) > 0);
  CHECK(read(std::move(request)).ids.size() == 30);
}

TEST_CASE("C: a request is cancelled by another thread, and by its free") {
  const HeldRuntime runtime = new_runtime();
  const HeldModel model = loaded(runtime);
  const HeldRequest request = started(model, hello, tokens(200));
  std::thread other([&] { troupe_request_cancel(request, nullptr); });
  const Read got = read(static_cast<troupe_request*>(request));
  other.join();
  CHECK((got.status == TROUPE_CANCELLED || got.status == TROUPE_END));
  for (int i = 0; i < 20; ++i) started(model, hello, tokens(200)).free();
  CHECK(read(started(model, hello, tokens(5))).ids.size() == 5);
}

TEST_CASE("C: a deadline that has passed ends a request") {
  const HeldRuntime runtime = new_runtime();
  const HeldModel model = loaded(runtime);
  auto options = tokens(200);
  options.deadline_ms = 0;
  CHECK(read(started(model, hello, options)).status == TROUPE_DEADLINE);
  options.deadline_ms = INT64_MAX;
  CHECK(read(started(model, hello, options)).status == TROUPE_END);
}

TEST_CASE("C: requests that cannot be are refused", "[bad-input]") {
  const HeldRuntime runtime = new_runtime();
  const HeldModel model = loaded(runtime);
  troupe_request* none = nullptr;
  const auto refused = [&](troupe_status status, const std::string& words, const Ids& ids, auto change) {
    auto options = tokens(5);
    change(options);
    fails(status, words, [&](auto* error) {
      return troupe_model_generate_ids(model, ids.data(), ids.size(), &options, nullptr, &none, error);
    });
    CHECK(none == nullptr);
  };
  const auto as_it_is = [](auto&) {};
  refused(TROUPE_INVALID_ARGUMENT, "empty", {}, as_it_is);
  refused(TROUPE_INVALID_ARGUMENT, "272", {272}, as_it_is);
  refused(TROUPE_INVALID_ARGUMENT, "-1", {-1}, as_it_is);
  refused(TROUPE_INVALID_ARGUMENT, "context", Ids(1000, 1), as_it_is);
  refused(TROUPE_INVALID_ARGUMENT, "temperature", hello, [](auto& options) { options.temperature = -1e7F; });
  refused(TROUPE_INVALID_ARGUMENT, "top_p", hello, [](auto& options) { options.top_p = 0; });
  refused(TROUPE_INVALID_ARGUMENT, "\"stop\" is NULL", hello, [](auto& options) { options.stop_count = 1; });
  refused(TROUPE_INVALID_ARGUMENT, "\"user\" is NULL", hello, [](auto& options) { options.user_length = 1; });
  refused(TROUPE_INVALID_ARGUMENT, "troupe_generate_options_default", hello, [](auto& options) { options.size = 0; });
  needs("model", [&](auto* e) { return troupe_model_generate(nullptr, "a", 1, nullptr, nullptr, &none, e); });
  needs("prompt", [&](auto* e) { return troupe_model_generate(model, nullptr, 1, nullptr, nullptr, &none, e); });
  needs("request", [&](auto* e) { return troupe_model_generate(model, "a", 1, nullptr, nullptr, nullptr, e); });
  needs("model", [&](auto* e) { return troupe_model_generate_ids(nullptr, &hello[0], 1, nullptr, nullptr, &none, e); });
  needs("ids", [&](auto* e) { return troupe_model_generate_ids(model, nullptr, 1, nullptr, nullptr, &none, e); });
  needs("request",
        [&](auto* e) { return troupe_model_generate_ids(model, &hello[0], 1, nullptr, nullptr, nullptr, e); });
}

TEST_CASE("C: a request's calls refuse NULL and structs that were not made", "[bad-input]") {
  const HeldRuntime runtime = new_runtime();
  const HeldModel model = loaded(runtime);
  const HeldRequest request = started(model, hello, tokens(5));
  auto token = made(troupe_token_default);
  auto finish = made(troupe_finish_default);
  needs("request", [&](auto* e) { return troupe_request_next(nullptr, -1, &token, e); });
  needs("token", [&](auto* e) { return troupe_request_next(request, -1, nullptr, e); });
  needs("request", [&](auto* e) { return troupe_request_finish(nullptr, &finish, e); });
  needs("finish", [&](auto* e) { return troupe_request_finish(request, nullptr, e); });
  needs("request", [&](auto* e) { return troupe_request_cancel(nullptr, e); });
  CHECK(troupe_request_id(nullptr) == 0);
  troupe_request_free(nullptr);
  token.size = 0;
  fails(TROUPE_INVALID_ARGUMENT, "troupe_token_default",
        [&](auto* e) { return troupe_request_next(request, -1, &token, e); });
  finish.size = 0;
  fails(TROUPE_INVALID_ARGUMENT, "troupe_finish_default",
        [&](auto* e) { return troupe_request_finish(request, &finish, e); });
}

TEST_CASE("C: a token's struct of another version gets what it has room for") {
  const HeldRuntime runtime = new_runtime();
  const HeldModel model = loaded(runtime);
  const HeldRequest request = started(model, hello, tokens(5));
  struct Old {
    std::size_t size;
    const char* text;
    std::size_t guard;
  } old{offsetof(Old, guard), nullptr, 77};
  CHECK(troupe_request_next(request, -1, reinterpret_cast<troupe_token*>(&old), nullptr) == TROUPE_OK);
  CHECK(old.text != nullptr);
  CHECK(old.guard == 77);
  struct New {
    troupe_token token;
    std::uint64_t later;
  } newer{{}, 77};
  newer.token.size = sizeof newer;
  CHECK(troupe_request_next(request, -1, &newer.token, nullptr) == TROUPE_OK);
  CHECK(newer.token.size == sizeof newer);
  CHECK(newer.token.id >= 0);
  CHECK(newer.later == 0);
}

TEST_CASE("C: logits come position by position") {
  const HeldRuntime runtime = new_runtime();
  const HeldModel model = loaded(runtime);
  std::vector<std::pair<std::uint32_t, std::size_t>> rows;
  const troupe_logits_sink sink = [](void* user, std::uint32_t position, const float*, std::size_t count, auto*) {
    static_cast<decltype(rows)*>(user)->emplace_back(position, count);
    return troupe_status{TROUPE_OK};
  };
  auto options = made(troupe_logits_options_default);
  const auto logits = [&](int every) {
    rows.clear();
    succeeds([&](auto* e) {
      return troupe_model_logits(model, hello.data(), hello.size(), every, &options, sink, &rows, e);
    });
    return rows.size();
  };
  CHECK(logits(0) == 1);
  CHECK(rows[0] == std::pair<std::uint32_t, std::size_t>(4, TinyModel::vocabulary));
  CHECK(logits(1) == 5);
  options.first = 3;
  CHECK(logits(1) == 2);
  CHECK(rows[0].first == 3);
  options.first = 5;
  fails(TROUPE_INVALID_ARGUMENT, "first is 5",
        [&](auto* e) { return troupe_model_logits(model, hello.data(), hello.size(), 1, &options, sink, &rows, e); });
}

TEST_CASE("C: a sink ends its call with a status and a line", "[bad-input]") {
  const HeldRuntime runtime = new_runtime();
  const HeldModel model = loaded(runtime);
  const auto with = [&](troupe_logits_sink sink) {
    return [&, sink](troupe_error* e) {
      return troupe_model_logits(model, hello.data(), hello.size(), 1, nullptr, sink, nullptr, e);
    };
  };
  fails(TROUPE_QUEUE_FULL, "the host is full", with([](void*, auto, auto, auto, troupe_error* error) {
          return troupe_error_set(error, TROUPE_QUEUE_FULL, "the host is full");
        }));
  fails(TROUPE_NOT_FOUND, "not found",
        with([](void*, auto, auto, auto, auto*) { return troupe_status{TROUPE_NOT_FOUND}; }));
  fails(TROUPE_FAILED, "unknown status", with([](void*, auto, auto, auto, auto*) { return troupe_status{-77}; }));
  needs("sink", with(nullptr));
  needs("model",
        [&](auto* e) { return troupe_model_logits(nullptr, hello.data(), 1, 1, nullptr, nullptr, nullptr, e); });
  needs("ids", [&](auto* e) {
    return troupe_model_logits(
        model, nullptr, 1, 1, nullptr, [](auto...) { return troupe_status{TROUPE_OK}; }, nullptr, e);
  });
}

}  // namespace troupe::testing
