#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/transport/every_transport.hpp"

namespace {

using namespace troupe;
using namespace troupe::transport;
namespace testing = troupe::testing;
using namespace std::chrono_literals;
using testing::Ends;
using testing::OnEach;

Deadline soon() { return {3600s}; }

/// Memory of `rows` rows of `columns` f32, `gap` elements after each; the gaps hold -1.
struct Matrix {
  Matrix(std::size_t r, std::size_t c, std::size_t gap) : rows(r), columns(c), values(r * (c + gap), -1.0F) {}
  Tensor view() {
    return {reinterpret_cast<std::byte*>(values.data()), Element::f32, rows, columns,
            rows == 0 ? 0 : values.size() / rows};
  }
  float& at(std::size_t row, std::size_t column) { return values[row * (values.size() / rows) + column]; }
  std::size_t rows, columns;
  std::vector<float> values;
};

float value_of(std::size_t number, std::size_t row, std::size_t column) {
  return static_cast<float>(number * 7919 + row * 101 + column);
}

void fill(Matrix& matrix, std::size_t number) {
  for (std::size_t r = 0; r < matrix.rows; ++r)
    for (std::size_t c = 0; c < matrix.columns; ++c) matrix.at(r, c) = value_of(number, r, c);
}

bool holds(Matrix& matrix, std::size_t number) {
  const std::size_t stride = matrix.rows == 0 ? 0 : matrix.values.size() / matrix.rows;
  for (std::size_t r = 0; r < matrix.rows; ++r)
    for (std::size_t c = 0; c < stride; ++c)
      if (matrix.at(r, c) != (c < matrix.columns ? value_of(number, r, c) : -1.0F)) return false;
  return true;
}

struct Shape {
  std::size_t rows, columns;
};
constexpr Shape shapes[] = {{1, 1}, {1, 576}, {0, 576}, {5, 0}, {3, 7}, {17, 33}, {1, 15}, {4, 16}};
constexpr std::size_t largest = 576 * sizeof(float);

TEST_CASE("tensors come out of a channel as they went in, in order", "[transport][channel]") {
  const OnEach on;
  INFO(on.kind->name);
  constexpr std::size_t count = 3000;
  for (const std::size_t slots : {1UL, 2UL, 7UL})
    for (const std::uint32_t spins : {0U, 200U}) {
      auto channel = on.channel(slots, largest, {spins});
      const Deadline deadline = soon();
      std::size_t unsent = 0, wrong = 0;
      std::thread sender([&] {
        for (std::size_t i = 0; i < count; ++i) {
          const Shape shape = shapes[i % std::size(shapes)];
          Matrix matrix(shape.rows, shape.columns, i % 3);
          fill(matrix, i);
          if (!channel.sender->send(matrix.view(), deadline)) ++unsent;
        }
      });
      for (std::size_t i = 0; i < count; ++i) {
        const Shape shape = shapes[i % std::size(shapes)];
        Matrix matrix(shape.rows, shape.columns, i % 2);
        if (!channel.receiver->receive(matrix.view(), deadline) || !holds(matrix, i)) ++wrong;
      }
      sender.join();
      CHECK(unsent == 0);
      CHECK(wrong == 0);
    }
}

TEST_CASE("many channels on few cores go on while everybody sleeps", "[transport][channel]") {
  const OnEach on;
  INFO(on.kind->name);
  constexpr std::size_t hops = 8, count = 500;
  std::vector<Ends> channels;
  for (std::size_t i = 0; i <= hops; ++i) channels.push_back(on.channel(2, largest, {0}));
  const Deadline deadline = soon();
  std::vector<std::thread> relays;
  for (std::size_t hop = 0; hop < hops; ++hop)
    relays.emplace_back([&, hop] {
      Matrix matrix(3, 7, 0);
      for (std::size_t i = 0; i < count; ++i)
        if (!channels[hop].receiver->receive(matrix.view(), deadline) ||
            !channels[hop + 1].sender->send(matrix.view(), deadline))
          return;
    });
  std::thread source([&] {
    Matrix matrix(3, 7, 0);
    for (std::size_t i = 0; i < count; ++i) {
      fill(matrix, i);
      if (!channels[0].sender->send(matrix.view(), deadline)) return;
    }
  });
  std::size_t right = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Matrix matrix(3, 7, 0);
    if (!channels[hops].receiver->receive(matrix.view(), deadline)) break;
    right += holds(matrix, i);
  }
  source.join();
  for (auto& relay : relays) relay.join();
  CHECK(right == count);
}

TEST_CASE("a tensor that does not fit is refused", "[transport][channel]") {
  const OnEach on;
  INFO(on.kind->name);
  Matrix small(2, 4, 0), large(2, 5, 0);
  SECTION("into the slot") {
    auto channel = on.channel(1, 32, {0});
    const auto sent = channel.sender->send(large.view(), soon());
    REQUIRE(!sent);
    CHECK(sent.error().code() == Code::invalid_argument);
    CHECK(sent.error().message() == "channel: f32 [2, 5] is 40 bytes or malformed; a slot holds 32 bytes");
    CHECK(channel.receiver->receive(large.view(), soon()).error().message() == sent.error().message());
  }
  SECTION("into the receiver's tensor") {
    auto channel = on.channel(1, 64, {0});
    REQUIRE(channel.sender->send(small.view(), soon()).ok());
    const auto received = channel.receiver->receive(large.view(), soon());
    REQUIRE(!received);
    CHECK(received.error().code() == Code::invalid_argument);
    CHECK(received.error().message() ==
          "channel: f32 [2, 4] was sent, the receiver has room for f32 [2, 5]; they must be the same");
    CHECK(channel.sender->send(small.view(), soon()).error().message() == received.error().message());
  }
  SECTION("without memory") {
    auto channel = on.channel(1, 64, {0});
    CHECK(channel.sender->send({nullptr, Element::f32, 1, 4, 4}, soon()).error().code() == Code::invalid_argument);
  }
}

TEST_CASE("a channel that stays empty or full ends a wait by its deadline", "[transport][channel]") {
  const OnEach on;
  INFO(on.kind->name);
  Matrix matrix(2, 4, 0);
  for (const std::uint32_t spins : {0U, 100U}) {
    auto empty = on.channel(1, 64, {spins});
    const auto received = empty.receiver->receive(matrix.view(), Deadline{5ms});
    REQUIRE(!received);
    CHECK(received.error().code() == Code::deadline);
    CHECK(received.error().message() == "the deadline passed before an empty channel had a tensor to receive");

    auto full = on.channel(2, 64, {spins});
    REQUIRE(full.sender->send(matrix.view(), soon()).ok());
    REQUIRE(full.sender->send(matrix.view(), soon()).ok());
    const auto sent = full.sender->send(matrix.view(), Deadline{5ms});
    REQUIRE(!sent);
    CHECK(sent.error().code() == Code::deadline);
    CHECK(sent.error().message() == "the deadline passed before a full channel had room to send");
  }
}

TEST_CASE("an abort ends the waits of both sides", "[transport][channel]") {
  const OnEach on;
  INFO(on.kind->name);
  for (int repetition = 0; repetition < 100; ++repetition) {
    const WaitPolicy policy{repetition % 2 == 0 ? 0U : 1000U};
    auto empty = on.channel(1, 64, policy), full = on.channel(1, 64, policy);
    std::string at_receive, at_send;
    std::thread receiver([&] {
      Matrix matrix(2, 4, 0);
      at_receive = empty.receiver->receive(matrix.view(), Deadline{}).error().message();
    });
    std::thread sender([&] {
      Matrix matrix(2, 4, 0);
      auto sent = full.sender->send(matrix.view(), Deadline{});
      if (sent) sent = full.sender->send(matrix.view(), Deadline{});
      at_send = sent.error().message();
    });
    empty.sender->abort({Code::aborted, "the epoch ended"});
    full.receiver->abort({Code::aborted, "the epoch ended"});
    receiver.join();
    sender.join();
    REQUIRE(at_receive == "the epoch ended");
    REQUIRE(at_send == "the epoch ended");
  }
}

}  // namespace
