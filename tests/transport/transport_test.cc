#include "transport/transport.hpp"

#include <thread>

#include "tests/transport/every_transport.hpp"

namespace {

using namespace troupe;
using namespace troupe::transport;
using namespace std::chrono_literals;
using troupe::testing::OnEach;

Deadline soon() { return {3600s}; }

template <class End>
std::string why_not(const Result<End>& made) {
  REQUIRE(!made);
  CHECK(made.error().code() == Code::invalid_argument);
  return made.error().message();
}

TEST_CASE("ends that are made one by one find each other by name", "[transport]") {
  const OnEach on;
  INFO(on.kind->name);
  const ChannelSpec a{"a", 1, 64}, b{"b", 1, 64};
  const auto from_a = on.transport->make_receiver(a, {}).value(), from_b = on.transport->make_receiver(b, {}).value();
  const auto into_b = on.transport->make_sender(b, {}).value(), into_a = on.transport->make_sender(a, {}).value();
  float one = 1, two = 2, got_a = 0, got_b = 0;
  REQUIRE(into_a->send(tensor_of(&one, 1, 1), soon()).ok());
  REQUIRE(into_b->send(tensor_of(&two, 1, 1), soon()).ok());
  REQUIRE(from_b->receive(tensor_of(&got_b, 1, 1), soon()).ok());
  REQUIRE(from_a->receive(tensor_of(&got_a, 1, 1), soon()).ok());
  CHECK(got_a == 1);
  CHECK(got_b == 2);
}

TEST_CASE("what is sent before the receiver is made waits for it", "[transport]") {
  const OnEach on;
  INFO(on.kind->name);
  const ChannelSpec spec{"early", 2, 64};
  const auto sender = on.transport->make_sender(spec, {}).value();
  float value = 7, got = 0;
  REQUIRE(sender->send(tensor_of(&value, 1, 1), soon()).ok());
  const auto receiver = on.transport->make_receiver(spec, {}).value();
  REQUIRE(receiver->receive(tensor_of(&got, 1, 1), soon()).ok());
  CHECK(got == 7);
}

TEST_CASE("ranks that are made by their own threads find each other", "[transport]") {
  const OnEach on;
  INFO(on.kind->name);
  for (int repetition = 0; repetition < 50; ++repetition) {
    const GroupSpec spec{"group " + std::to_string(repetition), 3};
    std::vector<std::int64_t> sums(3, 1);
    std::vector<std::thread> threads;
    for (int rank = 0; rank < 3; ++rank) {
      threads.emplace_back([&, rank] {
        const auto end = on.transport->make_rank(spec, rank, {0}).value();
        const Tensor sum = tensor_of(&sums[static_cast<std::size_t>(rank)], 1, 1);
        ended(end->all_reduce(sum, sum, soon()), soon()).value();
      });
    }
    for (std::thread& thread : threads) thread.join();
    REQUIRE(sums == std::vector<std::int64_t>(3, 3));
  }
}

TEST_CASE("a second end of the same kind is refused", "[transport]") {
  const OnEach on;
  INFO(on.kind->name);
  const ChannelSpec spec{"a", 2, 64};
  const auto sender = on.transport->make_sender(spec, {}).value();
  const auto receiver = on.transport->make_receiver(spec, {}).value();
  CHECK(why_not(on.transport->make_sender(spec, {})) ==
        "channel a (slots: 2, of 64 bytes) has a sender already; there can be only one");
  CHECK(why_not(on.transport->make_receiver(spec, {})) ==
        "channel a (slots: 2, of 64 bytes) has a receiver already; there can be only one");
  const auto rank = on.transport->make_rank({"g", 2}, 1, {}).value();
  CHECK(why_not(on.transport->make_rank({"g", 2}, 1, {})) ==
        "group g (ranks: 2) has a rank 1 already; there can be only one");
  float value = 7, got = 0;  // the first two are as they were
  REQUIRE(sender->send(tensor_of(&value, 1, 1), soon()).ok());
  REQUIRE(receiver->receive(tensor_of(&got, 1, 1), soon()).ok());
  CHECK(got == 7);
}

TEST_CASE("ends that disagree about what they share are refused", "[transport]") {
  const OnEach on;
  INFO(on.kind->name);
  const auto sender = on.transport->make_sender({"a", 2, 64}, {}).value();
  CHECK(why_not(on.transport->make_receiver({"a", 2, 32}, {})) ==
        "a receiver asks for channel a (slots: 2, of 32 bytes), another end for channel a (slots: 2, of 64 bytes); "
        "they must be the same");
  const auto rank = on.transport->make_rank({"g", 2}, 1, {}).value();
  CHECK(why_not(on.transport->make_rank({"g", 3}, 0, {})) ==
        "a rank 0 asks for group g (ranks: 3), another end for group g (ranks: 2); they must be the same");
  CHECK(why_not(on.transport->make_rank({"h", 2}, 2, {})) ==
        "group h (ranks: 2) has no rank 2; they are counted from 0");
  CHECK(why_not(on.transport->make_rank({"h", 2}, -1, {})) ==
        "group h (ranks: 2) has no rank -1; they are counted from 0");
  CHECK(why_not(on.transport->make_rank({"h", 0}, 0, {})) ==
        "group h (ranks: 0) has no rank 0; they are counted from 0");
  CHECK(why_not(on.transport->make_sender({"b", 0, 64}, {})) ==
        "channel b (slots: 0, of 64 bytes): it needs at least one slot");
}

TEST_CASE("a name is free again when its ends are gone", "[transport]") {
  const OnEach on;
  INFO(on.kind->name);
  for (std::size_t slots = 1; slots <= 3; ++slots) {
    const auto ends = testing::channel_of(*on.transport, {"a", slots, 64}, {});
    const auto group = testing::group_of(*on.transport, {"g", static_cast<int>(slots)}, {});
    CHECK(group.size() == slots);
  }
  auto lone = on.transport->make_sender({"a", 4, 64}, {});
  CHECK(lone.ok());
}

TEST_CASE("ends outlive the transport that made them", "[transport]") {
  OnEach on;
  INFO(on.kind->name);
  const auto ends = on.channel(1, 64, {});
  on.transport.reset();
  float value = 7, got = 0;
  REQUIRE(ends.sender->send(tensor_of(&value, 1, 1), soon()).ok());
  REQUIRE(ends.receiver->receive(tensor_of(&got, 1, 1), soon()).ok());
  CHECK(got == 7);
}

TEST_CASE("what was sent outlives the sender, and then nothing is waited for", "[transport]") {
  const OnEach on;
  INFO(on.kind->name);
  auto ends = testing::channel_of(*on.transport, {"a", 2, 64}, {});
  float value = 7, got = 0;
  REQUIRE(ends.sender->send(tensor_of(&value, 1, 1), soon()).ok());
  ends.sender.reset();
  REQUIRE(ends.receiver->receive(tensor_of(&got, 1, 1), soon()).ok());
  CHECK(got == 7);
  for (int again = 0; again < 2; ++again) {
    const auto none = ends.receiver->receive(tensor_of(&got, 1, 1), soon());
    REQUIRE(!none);
    CHECK(none.error().code() == Code::aborted);
    CHECK(none.error().message() == "channel a: its sender is gone");
  }
}

TEST_CASE("who waits for an end that is destroyed waits no longer", "[transport]") {
  const OnEach on;
  INFO(on.kind->name);
  float value = 7;
  std::int64_t sum = 1;
  auto ends = testing::channel_of(*on.transport, {"a", 1, 64}, {0});
  REQUIRE(ends.sender->send(tensor_of(&value, 1, 1), soon()).ok());
  auto group = testing::group_of(*on.transport, {"g", 2}, {0});
  std::thread leaver([&] {
    ends.receiver.reset();
    group[1].reset();
  });
  const auto sent = ends.sender->send(tensor_of(&value, 1, 1), soon());
  const auto met = ended(group[0]->all_reduce(tensor_of(&sum, 1, 1), tensor_of(&sum, 1, 1), soon()), soon());
  leaver.join();
  REQUIRE(!sent);
  CHECK(sent.error().message() == "channel a: its receiver is gone");
  REQUIRE(!met);
  CHECK(met.error().message() == "group g: rank 1 is gone");
}

TEST_CASE("collectives that are begun together end together", "[transport]") {
  const OnEach on;
  INFO(on.kind->name);
  constexpr int size = 3;
  const auto group = on.group(size, {0});
  std::vector<std::string> wrong(size);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      Communicator& self = *group[static_cast<std::size_t>(rank)];
      std::vector<std::int64_t> first(9000, rank), second(5, 10 * rank), told(7, rank);
      const auto view = [](std::vector<std::int64_t>& values) { return tensor_of(values.data(), 1, values.size()); };
      const Event a = self.all_reduce(view(first), view(first), soon()).value();
      const Event b = self.all_reduce(view(second), view(second), soon()).value();
      const Event c = self.broadcast(view(told), 1, soon()).value();
      if (!b.wait(soon())) wrong[static_cast<std::size_t>(rank)] += "b failed ";
      if (first != std::vector<std::int64_t>(9000, 3)) wrong[static_cast<std::size_t>(rank)] += "a is wrong ";
      if (second != std::vector<std::int64_t>(5, 30)) wrong[static_cast<std::size_t>(rank)] += "b is wrong ";
      if (!a.wait(soon()) || !b.wait(soon()) || !c.wait(soon())) wrong[static_cast<std::size_t>(rank)] += "failed ";
      if (told != std::vector<std::int64_t>(7, 1)) wrong[static_cast<std::size_t>(rank)] += "c is wrong";
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<std::string>(size));
}

}  // namespace
