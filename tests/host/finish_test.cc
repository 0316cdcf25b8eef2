#include <thread>

#include "tests/host/parrot.hpp"

namespace troupe::testing {
namespace {

using std::chrono::milliseconds;
const Ids hello{104, 101, 108, 108, 111};

Finish finish_of(Generation& stream) {
  (void)read(stream);
  REQUIRE(stream.finish());
  return *stream.finish();
}
Finish finish_of(Generation&& stream) { return finish_of(stream); }

}  // namespace

TEST_CASE("a stream says why it ended, and what it took") {
  for (const char* plan : {"tp1", "pp2.tp2"}) {
    const Parrot parrot(plan);
    Parrot::Said said = parrot.say(Parrot::to_say("hello"));
    REQUIRE(said.finish);
    CHECK(said.finish->reason == FinishReason::end);
    CHECK(said.finish->usage.prompt_tokens == 1);
    CHECK(said.finish->usage.generated_tokens == 5);
    CHECK(said.finish->usage.first_token.count() > 0);
    CHECK_FALSE(said.finish->error);
    CHECK(said.finish->stop.empty());

    GenerateOptions options = Parrot::to_say("hello");
    options.max_tokens = 3;
    said = parrot.say(options);
    CHECK(said.finish->reason == FinishReason::length);
    CHECK(said.finish->usage.generated_tokens == 3);

    said = parrot.say(Parrot::to_say("hello", {"lo"}));
    CHECK(said.finish->reason == FinishReason::stop);
    CHECK(said.finish->stop == "lo");
    CHECK(said.finish->usage.generated_tokens == 5);

    said = parrot.say(Parrot::to_say(std::string(300, 'x')));
    CHECK(said.finish->reason == FinishReason::context);
    CHECK(said.finish->usage.generated_tokens == 256);
    options = Parrot::to_say(std::string(300, 'x'));
    options.max_tokens = 256;
    CHECK(parrot.say(options).finish->reason == FinishReason::length);

    options.deadline = milliseconds(0);
    said = parrot.say(options);
    CHECK(said.finish->reason == FinishReason::deadline);
    CHECK(said.finish->error->code() == Code::deadline);

    Gate gate;  // so that the text has not come to its end, however late this thread is
    parrot.hold(&gate);
    Generation cancelled = parrot.model().generate(Ids{1}, Parrot::to_say(std::string(250, 'x')));
    REQUIRE(cancelled.next());
    CHECK_FALSE(cancelled.finish());
    cancelled.cancel();
    gate.open();
    const Finish finish = finish_of(cancelled);
    CHECK(finish.reason == FinishReason::cancelled);
    CHECK(finish.error->code() == Code::cancelled);
    CHECK(finish.usage.generated_tokens >= 1);
    parrot.hold(nullptr);
  }
}

TEST_CASE("a failed request finishes with its error", "[bad-input]") {
  Runtime runtime;
  runtime.add_actor("clumsy", factory_of([](const StepView& step) {
                      if (step.rows.back().position > 8) throw Error(Code::out_of_range, "dropped a plate");
                    }));
  const LoadOptions options{.plan = "pp2", .threads = 1};
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Model model = runtime.load(checkpoint, with_actors(checkpoint.expand(options), "clumsy", "hidden"), options);
  const Finish finish = finish_of(model.generate(hello, tokens(50)));
  CHECK(finish.reason == FinishReason::error);
  CHECK(finish.error->code() == Code::out_of_range);
  CHECK(finish.usage.generated_tokens <= 5);
}

TEST_CASE("the names of the reasons") {
  const std::vector<std::string> names{"end", "stop", "length", "context", "cancelled", "deadline", "error"};
  for (std::size_t i = 0; i < names.size(); ++i) CHECK(to_string(static_cast<FinishReason>(i)) == names[i]);
}

TEST_CASE("next with a timeout comes back empty, and the stream goes on") {
  Gate gate;
  Runtime runtime;
  runtime.add_actor("gate", factory_of([&](const StepView& step) {
                      if (step.rows[0].position == 8) gate.pass();
                    }));
  const LoadOptions options{.plan = "pp2", .threads = 1};
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Model model = runtime.load(checkpoint, with_actors(checkpoint.expand(options), "gate", "hidden"), options);
  Generation stream = model.generate(hello, tokens(20));
  gate.wait_for_arrival();
  Ids ids;
  while (ids.size() < 4) {  // positions 4 to 7 are through; the fifth is in the actor's hands
    if (const auto token = stream.next(milliseconds(1))) ids.push_back(token->id);
  }
  for (const milliseconds timeout : {milliseconds(0), milliseconds(3), milliseconds(40), milliseconds(-5)}) {
    CHECK_FALSE(stream.next(timeout));
    CHECK_FALSE(stream.finish());
  }
  gate.open();
  while (!stream.finish()) {
    if (const auto token = stream.next(milliseconds::max())) ids.push_back(token->id);
  }
  CHECK(ids.size() == 20);
  CHECK_FALSE(stream.next(milliseconds(0)));
  CHECK(stream.finish()->reason == FinishReason::length);
}

TEST_CASE("polling takes every token, and then says that the stream has ended") {
  const Runtime runtime;
  const Model model = runtime.load(tiny_path(), {.threads = 1});
  const Ids expected = continued(model, hello, 40);
  Generation stream = model.generate(hello, tokens(40));
  Ids ids;
  while (!stream.finish()) {
    const auto token = stream.next(milliseconds(0));
    if (token) ids.push_back(token->id);
    if (!token) std::this_thread::yield();
  }
  CHECK(ids == expected);
  Generation late = model.generate(hello, {.deadline = milliseconds(0)});
  while (!late.finish()) std::this_thread::yield();
  CHECK(error_of([&] { (void)late.next(milliseconds(0)); }).code() == Code::deadline);
}

TEST_CASE("stop strings end a text wherever they lie, under every plan") {
  for (const char* plan : {"tp1", "pp2", "dp2.pp2.tp2"}) {
    const Parrot parrot(plan);
    const auto said = [&](const std::string& text, const std::vector<std::string>& stop) {
      return parrot.say(Parrot::to_say(text, stop));
    };
    CHECK(said("one two three", {"two"}).text == "one ");
    CHECK(said("one two three", {"three", "two", "e t"}).text == "on");
    CHECK(said("one tw", {"two"}).text == "one tw");
    CHECK(said("price: 5 \xE2\x82\xAC now", {"\xE2\x82\xAC"}).text == "price: 5 ");
    CHECK(said("a\xF0\x9F\x98\x80z", {"\xF0\x9F\x98\x80z"}).text == "a");
    CHECK(said("a\xF0\x9F\x98\x80y", {"\xF0\x9F\x98\x80z"}).text == "a\xF0\x9F\x98\x80y");
    CHECK(said("broken \xE2\x82", {"\xEF\xBF\xBD"}).text == "broken ");
    CHECK(said("", {"x"}).text.empty());
    const Parrot::Said at_once = said("stop", {"s"});
    CHECK(at_once.text.empty());
    CHECK(at_once.ids.size() == 1);
    const Parrot::Said held = said("aaaa", {"aaaab"});
    CHECK(held.text == "aaaa");
    CHECK(held.finish->reason == FinishReason::end);
  }
}

TEST_CASE("a stop string that begins in the prompt is none") {
  const Parrot parrot;
  const Ids prompt{'S', 'T'};
  // It says its text from the second byte on, behind a prompt of two.
  CHECK(parrot.say(Parrot::to_say("-OP it", {"STOP"}), prompt).text == "OP it");
  CHECK(parrot.say(Parrot::to_say("-OP STOP", {"STOP"}), prompt).text == "OP ");
}

TEST_CASE("a text that a stop string ended makes room at once") {
  const Parrot parrot("pp2", {}, 1);
  Generation behind = [&] {
    const Generation first = parrot.model().generate(Ids{1}, Parrot::to_say(std::string(200, 'x'), {"xxx"}));
    return parrot.model().generate(Ids{1}, Parrot::to_say("next"));
  }();
  CHECK(read(behind).ids.size() == 4);
}

}  // namespace troupe::testing
