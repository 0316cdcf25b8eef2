#include <atomic>
#include <future>
#include <thread>

#include "tests/host/journal.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

const Ids hello{104, 101, 108, 108, 111};

/// Keeps what a stream's callbacks are given, and whether they kept their promises.
class Kept {
 public:
  std::function<void(const Request&, const Token&)> also = [](const Request&, const Token&) {};

  [[nodiscard]] StreamCallbacks callbacks() {
    return {.on_token =
                [this](const Request& request, const Token& token) {
                  const Inside inside(*this);
                  {
                    const std::lock_guard lock(mutex_);
                    wrong_ += finish_ ? 1 : 0;  // after the end
                    if (token.id != no_token) ids_.push_back(token.id);
                    text_ += token.text;
                  }
                  also(request, token);
                },
            .on_finish =
                [this](const Request& request, Finish finish) {
                  const Inside inside(*this);
                  const std::lock_guard lock(mutex_);
                  wrong_ += finish_ ? 1 : 0;  // twice
                  finish_ = std::move(finish);
                  id_ = request.id();
                  changed_.notify_all();
                }};
  }
  Finish wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return finish_.has_value(); });
    const Finish finish = *finish_;
    lock.unlock();
    while (inside_ != 0) std::this_thread::yield();  // on_finish may be on its way out
    CHECK(wrong_ == 0);
    return finish;
  }
  [[nodiscard]] bool over() const {
    const std::lock_guard lock(mutex_);
    return finish_.has_value();
  }
  [[nodiscard]] Ids ids() const {
    const std::lock_guard lock(mutex_);
    return ids_;
  }
  [[nodiscard]] std::uint64_t id() const { return id_; }

 private:
  struct Inside {
    explicit Inside(Kept& kept) : kept_(kept) { kept_.wrong_ += kept_.inside_++ == 0 ? 0 : 1; }
    ~Inside() { --kept_.inside_; }
    Kept& kept_;
  };
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<int> inside_{0}, wrong_{0};
  Ids ids_;
  std::string text_;
  std::optional<Finish> finish_;
  std::uint64_t id_ = 0;
};

}  // namespace

TEST_CASE("a stream by callbacks is the stream by next") {
  const Runtime runtime({.control_threads = 3});
  for (const char* plan : {"tp1", "pp2", "dp2.tp2"}) {
    const Model model = runtime.load(tiny_path(), {.plan = plan, .threads = 1, .parallel = 3});
    const Ids expected = continued(model, hello, 60);
    std::vector<Kept> streams(8);
    std::vector<Request> requests;
    for (Kept& kept : streams) requests.push_back(model.generate(hello, tokens(60), kept.callbacks()));
    for (std::size_t i = 0; i < streams.size(); ++i) {
      const Finish finish = streams[i].wait();
      CHECK(streams[i].ids() == expected);
      CHECK(streams[i].id() == requests[i].id());
      CHECK(finish.reason == FinishReason::length);
      CHECK_FALSE(finish.error);
      CHECK(finish.usage.prompt_tokens == hello.size());
      CHECK(finish.usage.generated_tokens == 60);
      CHECK(finish.usage.first_token.count() > 0);
    }
  }
}

TEST_CASE("a thousand streams by callbacks, and no thread of the host's waits for them") {
  const Runtime runtime;
  const Model model = runtime.load(tiny_path(), {.plan = "dp2", .threads = 1, .parallel = 16});
  std::vector<Ids> expected;
  for (TokenId i = 0; i < 7; ++i) expected.push_back(continued(model, {1, i}, 5));
  constexpr std::size_t count = 1000;
  std::mutex mutex;
  std::map<std::uint64_t, Ids> ids;
  std::map<std::uint64_t, std::size_t> which;
  std::promise<void> all;
  std::size_t over = 0;
  // One pair of functions for all: they tell them apart by the request.
  const StreamCallbacks callbacks{.on_token =
                                      [&](const Request& request, const Token& token) {
                                        const std::lock_guard lock(mutex);
                                        ids[request.id()].push_back(token.id);
                                      },
                                  .on_finish =
                                      [&](const Request&, const Finish&) {
                                        const std::lock_guard lock(mutex);
                                        if (++over == count) all.set_value();
                                      }};
  for (std::size_t i = 0; i < count; ++i) {
    const Request request = model.generate(Ids{1, static_cast<TokenId>(i % 7)}, tokens(5), callbacks);
    const std::lock_guard lock(mutex);
    which[request.id()] = i % 7;
  }
  all.get_future().wait();
  REQUIRE(ids.size() == count);
  for (const auto& [id, got] : ids) CHECK(got == expected[which[id]]);
}

TEST_CASE("what a callback throws ends its own request, and it is not called again", "[bad-input]") {
  Journal journal;
  const Runtime runtime({.log = journal.writer()});
  for (const char* plan : {"tp1", "pp2"}) {
    const Model model = runtime.load(tiny_path(), {.plan = plan, .threads = 1, .parallel = 4});
    const Ids expected = continued(model, hello, 40);
    Generation other = model.generate(hello, tokens(40));
    Kept kept;
    int calls = 0;
    kept.also = [&](const Request&, const Token&) {
      if (++calls == 3) throw std::runtime_error("the screen\nis full");
    };
    (void)model.generate(hello, tokens(200), kept.callbacks());
    const Finish finish = kept.wait();
    CHECK(calls == 3);
    CHECK(finish.reason == FinishReason::error);
    REQUIRE(finish.error);
    CHECK(finish.error->code() == Code::failed);
    CHECK_THAT(finish.error->message(), Contains("on_token threw: the screen"));
    CHECK(finish.usage.generated_tokens == 3);

    Kept own;
    own.also = [](const Request&, const Token&) { throw Error(Code::queue_full, "no more"); };
    (void)model.generate(hello, tokens(200), own.callbacks());
    CHECK(own.wait().error->code() == Code::queue_full);
    CHECK(read(other).ids == expected);

    const auto finished = std::make_shared<std::promise<void>>();
    (void)model.generate(hello, tokens(2), {.on_finish = [finished](const Request&, const Finish&) {
                           finished->set_value();
                           throw 5;
                         }});
    finished->get_future().wait();
    CHECK(continued(model, hello, 40) == expected);
  }
  CHECK(journal.count(LogLevel::warning, "on_finish threw") == 2);
}

TEST_CASE("a request is cancelled from within its callback, and from elsewhere") {
  Runtime runtime;
  Gate gate;  // so that the second text has not come to its end, however late this thread is
  std::atomic<int> left = 1000;
  runtime.add_actor("gate", factory_of([&](const StepView&) {
                      if (--left < 0) gate.pass();
                    }));
  const LoadOptions options{.plan = "pp2", .threads = 1, .parallel = 2};
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Model model = runtime.load(checkpoint, with_actors(checkpoint.expand(options), "gate", "hidden"), options);
  Kept within, elsewhere, waits;
  within.also = [&](const Request& request, const Token&) {
    if (within.ids().size() == 4) request.cancel();
  };
  const Request first = model.generate(hello, tokens(250), within.callbacks());
  Finish finish = within.wait();
  CHECK(finish.reason == FinishReason::cancelled);
  CHECK(finish.error->code() == Code::cancelled);
  CHECK(within.ids().size() <= 4 + 3);

  std::promise<void> begun;
  elsewhere.also = [&, told = false](const Request&, const Token&) mutable {
    if (!std::exchange(told, true)) begun.set_value();
  };
  left = 5;
  const Request second = model.generate(hello, tokens(250), elsewhere.callbacks());
  begun.get_future().wait();
  std::thread([copy = second] { copy.cancel(); }).join();
  gate.open();
  CHECK(elsewhere.wait().reason == FinishReason::cancelled);
  second.cancel();
  first.cancel();  // they have ended; nothing happens
}

TEST_CASE("a callback starts requests, and may not wait for them") {
  const Runtime runtime;
  const Model model = runtime.load(tiny_path(), {.threads = 1});
  Kept first, second;
  int refused = 0;
  first.also = [&](const Request&, const Token&) {
    if (first.ids().size() != 2) return;
    (void)model.generate(hello, tokens(3), second.callbacks());
    Generation waits = model.generate(hello, tokens(3));
    refused += error_of([&] { (void)waits.next(); }).code() == Code::invalid_argument ? 1 : 0;
    refused += error_of([&] { (void)waits.next(std::chrono::milliseconds(1)); }).code() == Code::invalid_argument;
    refused += error_of([&] { model.logits({1}, false, [](auto, auto) {}); }).code() == Code::invalid_argument ? 1 : 0;
    (void)model.stats();
  };
  (void)model.generate(hello, tokens(6), first.callbacks());
  CHECK(first.wait().reason == FinishReason::length);
  CHECK(second.wait().reason == FinishReason::length);
  CHECK(first.ids().size() == 6);
  CHECK(second.ids().size() == 3);
  CHECK(refused == 3);
}

TEST_CASE("when a model has gone, its streams have ended and no callback runs") {
  for (const char* plan : {"tp1", "pp2.tp2"}) {
    for (int round = 0; round < 20; ++round) {
      std::vector<Kept> streams(6);
      {
        const Runtime runtime({.control_threads = 2});
        const Model model = runtime.load(tiny_path(), {.plan = plan, .threads = 1, .parallel = 3});
        for (Kept& kept : streams) (void)model.generate(hello, tokens(250), kept.callbacks());
        for (int i = 0; i < round; ++i) std::this_thread::yield();
      }
      for (Kept& kept : streams) {
        REQUIRE(kept.over());
        const Finish finish = kept.wait();
        CHECK((finish.reason == FinishReason::length || finish.error->code() == Code::aborted));
      }
    }
  }
}

TEST_CASE("a model is dropped from within a callback") {
  for (const bool at_end : {false, true}) {
    auto runtime = std::make_optional<Runtime>();
    auto model = std::make_optional(runtime->load(tiny_path(), {.plan = "pp2", .threads = 1}));
    Kept other;
    std::promise<void> started;
    const auto ended = std::make_shared<std::promise<void>>();
    bool done = false;
    const auto drop = [&](bool now) {
      if (!now || std::exchange(done, true)) return;
      started.get_future().wait();
      model.reset();
      runtime.reset();
    };
    (void)model->generate(hello, tokens(250), other.callbacks());
    (void)model->generate(hello, tokens(3),
                          {.on_token = [&](const Request&, const Token&) { drop(!at_end); },
                           .on_finish =
                               [&, ended](const Request&, const Finish&) {
                                 drop(at_end);
                                 ended->set_value();
                               }});
    started.set_value();
    ended->get_future().wait();
    other.wait();
    CHECK(done);
  }
}

TEST_CASE("a request that is refused calls nobody", "[bad-input]") {
  const Runtime runtime;
  const Model model = runtime.load(tiny_path(), {.threads = 1});
  int calls = 0;
  const StreamCallbacks callbacks{.on_token = [&](const Request&, const Token&) { ++calls; },
                                  .on_finish = [&](const Request&, const Finish&) { ++calls; }};
  CHECK(error_of([&] { (void)model.generate(Ids{}, {}, callbacks); }).code() == Code::invalid_argument);
  CHECK(error_of([&] { (void)model.generate(Ids{1}, {.stop = {""}}, callbacks); }).code() == Code::invalid_argument);
  CHECK_THAT(error_of([&] { (void)model.generate(Ids{1}, {.logprobs = 21}, callbacks); }).message(), Contains("20"));
  GenerateOptions salted;
  salted.cache_salt = std::string(1025, 's');
  CHECK_THAT(error_of([&] { (void)model.generate(Ids{1}, salted, callbacks); }).message(), Contains("1025 bytes"));
  CHECK(calls == 0);
  const auto finished = std::make_shared<std::promise<void>>();  // callbacks may be left out
  (void)model.generate(Ids{1}, tokens(2), {.on_token = [](const Request&, const Token&) {}});
  (void)model.generate(Ids{1}, tokens(2),
                       {.on_finish = [finished](const Request&, const Finish&) { finished->set_value(); }});
  finished->get_future().wait();
}

TEST_CASE("the callbacks are destroyed when the stream has ended") {
  const Runtime runtime;
  const Model model = runtime.load(tiny_path(), {.threads = 1});
  auto owned = std::make_shared<int>(0);
  const std::weak_ptr<int> seen = owned;
  const Request request =
      model.generate(hello, tokens(4), {.on_token = [owned](const Request&, const Token&) { ++*owned; }});
  owned.reset();
  while (!seen.expired()) std::this_thread::yield();
  CHECK(request.id() > 0);
}

}  // namespace troupe::testing
