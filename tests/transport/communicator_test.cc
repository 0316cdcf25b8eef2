#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/transport/every_transport.hpp"

namespace {

using namespace troupe;
using namespace troupe::transport;
namespace testing = troupe::testing;
using namespace std::chrono_literals;

using testing::Group;
using testing::OnEach;

Deadline soon() { return {3600s}; }

/// Runs `work` on one thread per rank and returns what each returned.
std::vector<std::string> on_every_rank(Group& group, const std::function<std::string(Communicator&)>& work) {
  std::vector<std::string> outcomes(group.size());
  std::vector<std::thread> threads;
  for (std::size_t rank = 0; rank < group.size(); ++rank)
    threads.emplace_back([&, rank] { outcomes[rank] = work(*group[rank]); });
  for (auto& thread : threads) thread.join();
  return outcomes;
}

std::string outcome(const Result<void>& result) { return result ? "" : result.error().message(); }

constexpr std::int64_t untouched = -77;

/// Memory for rows of i64 with `gap` elements after each, all `untouched` at first.
struct Matrix {
  Matrix(std::size_t r, std::size_t c, std::size_t gap = 0)
      : rows(r), columns(c), stride(c + gap), values(r * (c + gap), untouched) {}
  [[nodiscard]] Tensor view() {
    return {reinterpret_cast<std::byte*>(values.data()), Element::i64, rows, columns, stride};
  }
  void fill(const std::function<std::int64_t(std::size_t, std::size_t)>& value) {
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < columns; ++c) values[r * stride + c] = value(r, c);
  }
  [[nodiscard]] bool holds(const std::function<std::int64_t(std::size_t, std::size_t)>& value) const {
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < stride; ++c)
        if (values[r * stride + c] != (c < columns ? value(r, c) : untouched)) return false;
    return true;
  }
  std::size_t rows, columns, stride;
  std::vector<std::int64_t> values;
};

/// What rank `rank` brings to call number `call`.
std::int64_t given(std::uint64_t call, int rank, std::size_t row, std::size_t column) {
  std::uint64_t x = call * 0x9E3779B97F4A7C15U + static_cast<std::uint64_t>(rank) * 0xBF58476D1CE4E5B9U +
                    row * 0x94D049BB133111EBU + column;
  x ^= x >> 29;
  x *= 0xD6E8FEB86659FD93U;
  return static_cast<std::int64_t>(x >> 8);
}

std::string try_all_reduce(Communicator& self, std::uint64_t call, std::size_t rows, std::size_t columns,
                           std::size_t gap, bool in_place) {
  Matrix partial(rows, columns, gap), sum(rows, columns, in_place ? 0 : gap / 2);
  const auto mine = [&](auto r, auto c) { return given(call, self.rank(), r, c); };
  partial.fill(mine);
  Matrix& result = in_place ? partial : sum;
  auto done = ended(self.all_reduce(partial.view(), result.view(), soon()), soon());
  if (!done) return done.error().message();
  const bool right = result.holds([&](auto r, auto c) {
    std::int64_t total = 0;
    for (int rank = 0; rank < self.size(); ++rank) total += given(call, rank, r, c);
    return total;
  });
  if (!right) return "wrong sum";
  return in_place || partial.holds(mine) ? "" : "partial changed";
}

/// Rank r gets `unit` rows more than the one before, but the last none.
std::string try_reduce_scatter(Communicator& self, std::uint64_t call, std::size_t unit, std::size_t columns,
                               std::size_t gap, bool in_place) {
  const auto rank = static_cast<std::size_t>(self.rank()), size = static_cast<std::size_t>(self.size());
  const auto rows_of_rank = [&](std::size_t r) { return r + 1 == size && size > 1 ? 0 : (r + 1) * unit; };
  std::size_t first = 0, rows = 0;
  for (std::size_t r = 0; r < size; ++r) {
    if (r == rank) first = rows;
    rows += rows_of_rank(r);
  }
  const std::size_t mine = rows_of_rank(rank);
  Matrix partial(rows, columns, gap), sum(mine, columns, gap / 2);
  const auto brought = [&](auto r, auto c) { return given(call, self.rank(), r, c); };
  const auto total = [&](auto r, auto c) {
    std::int64_t all = 0;
    for (int each = 0; each < self.size(); ++each) all += given(call, each, r, c);
    return all;
  };
  partial.fill(brought);
  const Tensor out = in_place ? rows_of(partial.view(), first, mine) : sum.view();
  if (auto done = ended(self.reduce_scatter(partial.view(), out, soon()), soon()); !done) return done.error().message();
  if (!in_place)
    return !sum.holds([&](auto r, auto c) { return total(first + r, c); }) ? "wrong sum"
           : partial.holds(brought)                                        ? ""
                                                                           : "partial changed";
  const bool right =
      partial.holds([&](auto r, auto c) { return r >= first && r < first + mine ? total(r, c) : brought(r, c); });
  return right ? "" : "wrong sum in place";
}

std::string try_all_gather(Communicator& self, std::uint64_t call, std::size_t rows,
                           const std::vector<std::size_t>& columns, std::size_t gap, bool in_place, bool takes) {
  const auto own = static_cast<std::size_t>(self.rank());
  Matrix in(rows, columns[own], gap);
  const std::size_t before = std::accumulate(columns.begin(), columns.begin() + self.rank(), std::size_t{0});
  Matrix out(rows, std::accumulate(columns.begin(), columns.end(), std::size_t{0}), gap);
  const Tensor own_part = columns_of(out.view(), before, columns[own]);
  in.fill([&](auto r, auto c) { return given(call, self.rank(), r, c); });
  if (in_place) copy(in.view(), own_part);
  auto done = ended(self.all_gather(in_place ? own_part : in.view(), takes ? out.view() : Tensor{}, soon()), soon());
  if (!done) return done.error().message();
  if (!takes) return "";
  const bool right = out.holds([&](auto r, auto c) {
    int rank = 0;
    while (c >= columns[static_cast<std::size_t>(rank)]) c -= columns[static_cast<std::size_t>(rank++)];
    return given(call, rank, r, c);
  });
  return right ? "" : "wrong columns";
}

/// Rows that `from` gives to `to`: some give nothing, some take nothing.
std::size_t rows_given(std::uint64_t call, std::size_t from, std::size_t to, std::size_t unit) {
  return (from * 3 + to * 5 + call) % 4 * unit;
}

std::string try_all_to_all(Communicator& self, std::uint64_t call, std::size_t unit, std::size_t columns,
                           std::size_t gap) {
  const auto own = static_cast<std::size_t>(self.rank()), size = static_cast<std::size_t>(self.size());
  std::vector<std::size_t> gives, takes;
  for (std::size_t other = 0; other < size; ++other) {
    gives.push_back(rows_given(call, own, other, unit));
    takes.push_back(rows_given(call, other, own, unit));
  }
  const auto sum = [](const std::vector<std::size_t>& counts) {
    return std::accumulate(counts.begin(), counts.end(), std::size_t{0});
  };
  Matrix in(sum(gives), columns, gap), out(sum(takes), columns, gap / 2);
  in.fill([&](auto r, auto c) { return given(call, self.rank(), r, c); });
  auto begun = self.all_to_all(in.view(), gives, out.view(), takes, soon());
  gives.assign(size, 12345);  // they are looked at during the call alone
  takes.assign(size, 12345);
  if (auto done = ended(begun, soon()); !done) return done.error().message();
  const bool right = out.holds([&](auto r, auto c) {
    std::size_t from = 0;
    while (r >= rows_given(call, from, own, unit)) r -= rows_given(call, from++, own, unit);
    for (std::size_t to = 0; to < own; ++to) r += rows_given(call, from, to, unit);
    return given(call, static_cast<int>(from), r, c);
  });
  return right ? "" : "wrong rows";
}

std::string try_broadcast(Communicator& self, std::uint64_t call, std::size_t rows, std::size_t columns,
                          std::size_t gap, int root) {
  Matrix matrix(rows, columns, gap);
  matrix.fill([&](auto r, auto c) { return given(call, self.rank(), r, c); });
  auto done = ended(self.broadcast(matrix.view(), root, soon()), soon());
  if (!done) return done.error().message();
  return matrix.holds([&](auto r, auto c) { return given(call, root, r, c); }) ? "" : "wrong tensor";
}

struct Shape {
  std::size_t rows, columns;
};
// Around nothing, around a cache line, around what is staged (32 KiB), and beyond.
constexpr Shape shapes[] = {{0, 5}, {5, 0}, {1, 1}, {1, 7}, {3, 9}, {1, 576}, {4, 577}, {64, 64}, {1, 4097}, {9, 1031}};

/// Makes calls on every rank of groups of one to eight, each of which says what was wrong, or nothing.
void on_all_sizes(const std::function<std::string(Communicator&)>& calls) {
  const OnEach on;
  INFO(on.kind->name);
  for (int size = 1; size <= 8; ++size) {
    auto group = on.group(size, {size > 2 ? 0U : 1000U});
    REQUIRE(group.size() == static_cast<std::size_t>(size));
    CHECK(on_every_rank(group, calls) == std::vector<std::string>(group.size()));
  }
}

TEST_CASE("all_reduce gives every rank the sum", "[transport][communicator]") {
  on_all_sizes([](Communicator& self) -> std::string {
    std::uint64_t call = 0;
    for (const Shape shape : shapes)
      for (const std::size_t gap : {0UL, 3UL})
        for (const bool in_place : {false, true})
          if (auto wrong = try_all_reduce(self, ++call, shape.rows, shape.columns, gap, in_place); !wrong.empty())
            return wrong + " in call " + std::to_string(call);
    return "";
  });
}

TEST_CASE("reduce_scatter gives every rank its rows of the sum", "[transport][communicator]") {
  on_all_sizes([](Communicator& self) -> std::string {
    std::uint64_t call = 0;
    for (const std::size_t unit : {0UL, 1UL, 3UL, 20UL})  // below and beyond what is staged
      for (const std::size_t columns : {0UL, 1UL, 5UL, 577UL})
        for (const std::size_t gap : {0UL, 2UL})
          for (const bool in_place : {false, true})
            if (auto wrong = try_reduce_scatter(self, ++call, unit, columns, gap, in_place); !wrong.empty())
              return wrong + " in call " + std::to_string(call);
    return "";
  });
}

TEST_CASE("all_to_all takes from each rank what that gives", "[transport][communicator]") {
  on_all_sizes([](Communicator& self) -> std::string {
    std::uint64_t call = 0;
    for (const std::size_t unit : {0UL, 1UL, 3UL, 40UL})  // below and beyond what is staged
      for (const std::size_t columns : {0UL, 1UL, 5UL, 300UL})
        for (const std::size_t gap : {0UL, 2UL})
          if (auto wrong = try_all_to_all(self, ++call, unit, columns, gap); !wrong.empty())
            return wrong + " in call " + std::to_string(call);
    return "";
  });
}

TEST_CASE("all_gather puts uneven columns side by side", "[transport][communicator]") {
  on_all_sizes([](Communicator& self) -> std::string {
    std::uint64_t call = 0;
    for (const std::size_t rows : {0UL, 1UL, 3UL, 70UL})
      for (const std::size_t unit : {0UL, 1UL, 5UL, 100UL})
        for (const bool in_place : {false, true})
          for (const bool all_take : {false, true}) {
            std::vector<std::size_t> columns;  // rank 1 gives nothing; the later ones are beyond what is staged
            for (std::size_t rank = 0; rank < static_cast<std::size_t>(self.size()); ++rank)
              columns.push_back(rank == 1 ? 0 : unit * (rank + 1));
            const bool takes = all_take || self.rank() == self.size() - 1;
            const std::size_t gap = rows % 2;
            if (auto wrong = try_all_gather(self, ++call, rows, columns, gap, in_place, takes); !wrong.empty())
              return wrong + " in call " + std::to_string(call);
          }
    return "";
  });
}

TEST_CASE("broadcast gives every rank the tensor of the root", "[transport][communicator]") {
  on_all_sizes([](Communicator& self) -> std::string {
    std::uint64_t call = 0;
    for (const Shape shape : shapes)
      for (int root = 0; root < self.size(); ++root)
        if (auto wrong = try_broadcast(self, ++call, shape.rows, shape.columns, shape.rows % 3, root); !wrong.empty())
          return wrong + " in call " + std::to_string(call);
    return "";
  });
}

TEST_CASE("the hidden state of a whole prompt chunk is broadcast", "[transport][communicator]") {
  const OnEach on;
  INFO(on.kind->name);
  for (const int size : {2, 3, 8}) {
    auto group = on.group(size, {size > 2 ? 0U : 1000U});
    const auto outcomes = on_every_rank(group, [&](Communicator& self) -> std::string {
      std::uint64_t call = 0;
      for (const std::size_t rows : {512UL, 1UL, 31UL, 32UL, 33UL, 512UL}) {  // 32 rows of 128 are what is staged
        for (const std::size_t columns : {128UL, 1024UL}) {
          if (auto wrong = try_broadcast(self, ++call, rows, columns, 0, 0); !wrong.empty()) return wrong;
        }
      }
      return "";
    });
    CHECK(outcomes == std::vector<std::string>(group.size()));
  }
}

TEST_CASE("long random sequences of collectives", "[transport][communicator]") {
  const OnEach on;
  INFO(on.kind->name);
  const std::uint32_t seed = std::random_device{}();
  INFO("seed " << seed);
  for (const int size : {2, 3, 5, 8}) {
    auto group = on.group(size, {seed % 2 == 0 ? 0U : 300U});
    const auto outcomes = on_every_rank(group, [&](Communicator& self) -> std::string {
      std::mt19937 shared(seed);  // the same numbers on every rank
      const auto draw = [&](std::size_t below) { return shared() % below; };
      for (std::uint64_t call = 1; call <= 1000; ++call) {
        const std::size_t rows = draw(5), gap = draw(3);
        const std::size_t columns = draw(8) == 0 ? 1000 + draw(3000) : draw(600);
        const int root = static_cast<int>(draw(group.size()));
        const bool flag = draw(2) == 0;
        std::vector<std::size_t> uneven;
        for (int rank = 0; rank < size; ++rank) uneven.push_back(draw(2 + columns));
        std::string wrong;
        const std::size_t unit = draw(40);
        switch (draw(5)) {
          case 0:
            wrong = try_all_reduce(self, call, rows, columns, gap, flag);
            break;
          case 1:
            wrong = try_all_gather(self, call, rows, uneven, gap, flag, self.rank() >= root);
            break;
          case 2:
            wrong = try_reduce_scatter(self, call, unit / 4, columns, gap, flag);
            break;
          case 3:
            wrong = try_all_to_all(self, call, unit, columns, gap);
            break;
          default:
            wrong = try_broadcast(self, call, rows, columns, gap, root);
        }
        if (!wrong.empty()) return wrong + " in call " + std::to_string(call);
      }
      return "";
    });
    CHECK(outcomes == std::vector<std::string>(group.size()));
  }
}

TEST_CASE("the order in which ranks arrive does not show in a sum, nor does overflow", "[transport][communicator]") {
  const OnEach on;
  INFO(on.kind->name);
  constexpr int size = 4;
  constexpr std::int64_t high = std::numeric_limits<std::int64_t>::max();
  const std::int64_t extremes[size] = {high, 3, -high, high - 5};
  for (const std::size_t columns : {100UL, 10000UL}) {
    std::vector<int> order(size);
    std::iota(order.begin(), order.end(), 0);
    do {
      auto group = on.group(size, {0});
      Counter turn;
      const AbortFlag never;
      std::vector<Matrix> sums(size, Matrix(1, columns));
      const auto outcomes = on_every_rank(group, [&](Communicator& self) {
        Matrix& sum = sums[static_cast<std::size_t>(self.rank())];
        sum.fill([&](auto, auto) { return extremes[self.rank()]; });
        const auto place = std::find(order.begin(), order.end(), self.rank()) - order.begin();
        (void)turn.wait_until(static_cast<std::uint64_t>(place), {0}, Deadline{}, never, "my turn");
        turn.advance();
        return outcome(ended(self.all_reduce(sum.view(), sum.view(), soon()), soon()));
      });
      REQUIRE(outcomes == std::vector<std::string>(size));
      for (const Matrix& sum : sums) REQUIRE(sum.holds([&](auto, auto) { return high - 2; }));
    } while (std::next_permutation(order.begin(), order.end()));
  }
}

TEST_CASE("eight ranks that sleep at once are never stuck", "[transport][communicator]") {
  const OnEach on;
  INFO(on.kind->name);
  auto group = on.group(8, {0});
  const auto outcomes = on_every_rank(group, [&](Communicator& self) -> std::string {
    for (std::uint64_t call = 1; call <= 3000; ++call)
      if (auto wrong = try_all_reduce(self, call, 1, 64, 0, true); !wrong.empty()) return wrong;
    return "";
  });
  CHECK(outcomes == std::vector<std::string>(8));
}

TEST_CASE("a deadline names the collective and the ranks that had not arrived", "[transport][communicator]") {
  const OnEach on;
  INFO(on.kind->name);
  for (const std::uint32_t spins : {0U, 100U})
    for (const std::size_t columns : {8UL, 10000UL}) {
      auto group = on.group(3, {spins});
      Matrix matrix(1, columns);
      const auto start = Clock::now();
      const auto late = ended(group[1]->all_reduce(matrix.view(), matrix.view(), Deadline{5ms}), Deadline{5ms});
      REQUIRE(!late);
      CHECK(Clock::now() >= start + 5ms);
      CHECK(late.error().code() == Code::deadline);
      CHECK(late.error().message() == "all_reduce: the deadline passed before these of 3 ranks had arrived: 0, 2");
      for (auto& end : group) {
        const auto after = ended(end->broadcast(matrix.view(), 0, soon()), soon());
        REQUIRE(!after);
        CHECK(after.error().message() == late.error().message());
      }
    }
}

TEST_CASE("an abort ends every wait", "[transport][communicator]") {
  const OnEach on;
  INFO(on.kind->name);
  for (int repetition = 0; repetition < 60; ++repetition) {
    auto group = on.group(4, {repetition % 2 == 0 ? 0U : 1000U});
    std::thread stopper([&] { group[3]->abort({Code::cancelled, "the host stopped"}); });
    const auto outcomes = on_every_rank(group, [&](Communicator& self) -> std::string {
      if (self.rank() == 3) return "the host stopped";  // never comes
      Matrix matrix(1, repetition % 3 == 0 ? 10000 : 10);
      return outcome(ended(self.all_reduce(matrix.view(), matrix.view(), Deadline{}), Deadline{}));
    });
    stopper.join();
    REQUIRE(outcomes == std::vector<std::string>(4, "the host stopped"));
  }
}

// A rank that has given up frees its memory. Nobody may be at work in it then: a sanitizer would tell.
TEST_CASE("the memory of a rank that gives up is left alone", "[transport][communicator]") {
  const std::uint32_t seed = std::random_device{}();
  INFO("seed " << seed);
  for (std::uint32_t repetition = 0; repetition < 150; ++repetition) {
    auto group = testing::group_in_memory(3, {repetition % 2 == 0 ? 0U : 500U});
    std::atomic<int> calls{0};
    const int stop_after = static_cast<int>((seed + repetition) % 50);
    const auto outcomes = on_every_rank(group, [&](Communicator& self) -> std::string {
      std::mt19937 random(seed + repetition * 8 + static_cast<std::uint32_t>(self.rank()));
      for (;;) {
        Matrix partial(1, 5000), sum(1, 5000);
        partial.fill([](auto, auto c) { return static_cast<std::int64_t>(c); });
        if (calls.fetch_add(1) == stop_after) self.abort({Code::aborted, "stop"});
        const auto patience = std::chrono::microseconds(random() % 400);
        auto done = ended(self.all_reduce(partial.view(), sum.view(), Deadline{patience}), Deadline{patience});
        if (!done) return done.error().message();
        if (!sum.holds([](auto, auto c) { return 3 * static_cast<std::int64_t>(c); })) return "wrong sum";
      }
    });
    for (const auto& why : outcomes) {
      REQUIRE(why == outcomes[0]);
      REQUIRE((why == "stop" || why.find("the deadline passed") != std::string::npos));
    }
  }
}

// Rank 0 gives up at once and frees what it brought, while rank 1 is about to arrive, see everyone and read it.
TEST_CASE("giving up and going ahead exclude each other", "[transport][communicator]") {
  const std::uint32_t seed = std::random_device{}();
  INFO("seed " << seed);
  constexpr std::uint64_t repetitions = 1000;
  Group group;
  Counter ready;
  const AbortFlag never;
  std::vector<std::string> outcomes[2] = {std::vector<std::string>(repetitions), std::vector<std::string>(repetitions)};
  const auto meet = [&](std::uint64_t count) {
    ready.advance();
    (void)ready.wait_until(count, {2000}, soon(), never, "the other rank");
  };
  const auto play = [&](std::size_t self) {
    std::mt19937 random(seed + static_cast<std::uint32_t>(self));
    for (std::uint64_t repetition = 0; repetition < repetitions; ++repetition) {
      Matrix in(1, self == 0 ? 5000 : 4096), out(1, 9096);  // 40 KB stay in place, 32 KB are copied first
      const auto delay = std::chrono::nanoseconds(random() % 2000);
      if (self == 0) group = testing::group_in_memory(2, {0});
      meet(repetition * 4 + 2);
      const auto start = Clock::now();
      while (Clock::now() < start + delay) continue;
      outcomes[self][repetition] =
          outcome(self == 0 ? ended(group[0]->all_gather(in.view(), {}, Deadline{-1s}), Deadline{-1s})
                            : ended(group[1]->all_gather(in.view(), out.view(), soon()), soon()));
      in = Matrix(0, 0);
      meet(repetition * 4 + 4);
    }
  };
  std::thread other(play, 1);
  play(0);
  other.join();
  CHECK(outcomes[0] == outcomes[1]);
}

using Call = std::function<Result<void>(Communicator&)>;

/// Rank 1 of three makes the second call, the others the first: all get `message`, then and later.
void check_disagreement(const OnEach& on, const Call& first, const Call& second, const std::string& message) {
  auto group = on.group(3, {0});
  const auto call = [&](Communicator& self) { return outcome((self.rank() == 1 ? second : first)(self)); };
  CHECK(on_every_rank(group, call) == std::vector<std::string>(3, message));
  CHECK(on_every_rank(group, call) == std::vector<std::string>(3, message));
}

Call reduce_of(std::size_t rows, std::size_t columns) {
  return [=](Communicator& self) {
    Matrix matrix(rows, columns);
    return ended(self.all_reduce(matrix.view(), matrix.view(), soon()), soon());
  };
}

Call gather_of(std::size_t rows, std::size_t columns, std::size_t out_columns) {
  return [=](Communicator& self) {
    Matrix in(rows, columns), out(rows, out_columns);
    return ended(self.all_gather(in.view(), out.view(), soon()), soon());
  };
}

/// Rank r gets so many rows of five.
Call scatter_of(std::vector<std::size_t> rows) {
  return [=](Communicator& self) {
    Matrix partial(5, 4), sum(rows[static_cast<std::size_t>(self.rank())], 4);
    return ended(self.reduce_scatter(partial.view(), sum.view(), soon()), soon());
  };
}

Call broadcast_of(std::size_t columns, int root, Element element = Element::i64) {
  return [=](Communicator& self) {
    Matrix matrix(1, columns);
    Tensor view = matrix.view();
    view.element = element;
    return ended(self.broadcast(view, root, soon()), soon());
  };
}

/// One row from each to each, but of rank `odd` two to rank 0.
Call to_all_of(std::size_t columns, int odd = -1) {
  return [=](Communicator& self) {
    std::vector<std::size_t> gives(3, 1);
    const std::vector<std::size_t> takes(3, 1);
    if (self.rank() == odd) gives[0] = 2;
    Matrix in(self.rank() == odd ? 4 : 3, columns), out(3, columns);
    return ended(self.all_to_all(in.view(), gives, out.view(), takes, soon()), soon());
  };
}

TEST_CASE("ranks that disagree all get the error", "[transport][communicator]") {
  const OnEach on;
  INFO(on.kind->name);
  check_disagreement(on, reduce_of(3, 576), reduce_of(3, 575),
                     "all_reduce: rank 0 brings i64 [3, 576], rank 1 i64 [3, 575]; the shapes must be the same");
  check_disagreement(on, reduce_of(9, 1000), reduce_of(1, 1),
                     "all_reduce: rank 0 brings i64 [9, 1000], rank 1 i64 [1, 1]; the shapes must be the same");
  check_disagreement(on, scatter_of({2, 2, 1}), scatter_of({2, 3, 1}),
                     "reduce_scatter: the ranks' sums have 6 rows together, what each brings is i64 [5, 4]");
  check_disagreement(on, gather_of(2, 3, 9), gather_of(3, 3, 9),
                     "all_gather: rank 0 brings i64 [2, 3], rank 1 i64 [3, 3]; rows and elements must be the same");
  check_disagreement(on, gather_of(2, 3, 9), gather_of(2, 3, 8),
                     "all_gather: rank 1 has room for i64 [2, 8], the ranks together give i64 [2, 9]");
  check_disagreement(
      on, to_all_of(5), to_all_of(6),
      "all_to_all: rank 0 brings rows of i64 [1, 5], rank 1 rows of i64 [1, 6]; columns and elements must be the "
      "same");
  check_disagreement(on, to_all_of(5), to_all_of(5, 1), "all_to_all: rank 1 gives 2 rows to rank 0, which takes 1");
  check_disagreement(on, broadcast_of(5, 0), broadcast_of(5, 0, Element::f32),
                     "broadcast: rank 0 brings i64 [1, 5], rank 1 f32 [1, 5]; the shapes must be the same");
  check_disagreement(on, broadcast_of(5, 2), broadcast_of(5, 1), "broadcast: rank 0 names root 2, rank 1 root 1");
  check_disagreement(on, reduce_of(1, 5), broadcast_of(5, 0),
                     "all_reduce: rank 1 calls broadcast where rank 0 calls this; the order of calls must be the same "
                     "everywhere");
}

TEST_CASE("what one rank alone gets wrong ends the group as well", "[transport][communicator]") {
  const OnEach on;
  INFO(on.kind->name);
  const Call wrong_element = [](Communicator& self) {
    Matrix matrix(1, 4);
    const Tensor view{matrix.view().data, Element::f32, 1, 4, 4};
    return ended(self.all_reduce(view, view, soon()), soon());
  };
  check_disagreement(on, reduce_of(1, 4), wrong_element, "all_reduce: only i64 is summed, this is f32 [1, 4]");
  const Call wrong_sum = [](Communicator& self) {
    Matrix partial(2, 4), sum(2, 5);
    return ended(self.all_reduce(partial.view(), sum.view(), soon()), soon());
  };
  check_disagreement(on, reduce_of(2, 4), wrong_sum,
                     "all_reduce: partial is i64 [2, 4], sum is i64 [2, 5]; they must be the same");
  const Call wrong_columns = [](Communicator& self) {
    Matrix partial(5, 4), sum(2, 5);
    return ended(self.reduce_scatter(partial.view(), sum.view(), soon()), soon());
  };
  check_disagreement(on, scatter_of({2, 2, 1}), wrong_columns,
                     "reduce_scatter: partial is i64 [5, 4], sum is i64 [2, 5]; columns and elements must be the same");
  const Call wrong_count = [](Communicator& self) {
    Matrix in(4, 5), out(3, 5);
    const std::vector<std::size_t> ones(3, 1);
    return ended(self.all_to_all(in.view(), ones, out.view(), ones, soon()), soon());
  };
  check_disagreement(on, to_all_of(5), wrong_count,
                     "all_to_all: in is i64 [4, 5] and out i64 [3, 5], but 3 rows are given and 3 taken");
  const Call no_room = [](Communicator& self) {
    Matrix in(3, 5);
    const std::vector<std::size_t> ones(3, 1);
    return ended(self.all_to_all(in.view(), ones, {nullptr, Element::i64, 3, 5, 5}, ones, soon()), soon());
  };
  check_disagreement(on, to_all_of(5), no_room, "all_to_all: there is no room for what comes");
  const Call no_memory = [](Communicator& self) {
    return ended(self.broadcast({nullptr, Element::i64, 1, 4, 4}, 0, soon()), soon());
  };
  check_disagreement(on, broadcast_of(4, 0), no_memory,
                     "broadcast: a tensor needs memory aligned to its elements and a stride of at least its columns");
  check_disagreement(on, broadcast_of(4, 0), broadcast_of(4, 3), "broadcast: there is no root 3 in a group of 3");
}

}  // namespace
