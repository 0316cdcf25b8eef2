#include <atomic>
#include <new>
#include <system_error>
#include <thread>

#include <pthread.h>

#include "actors/host/workshop.hpp"
#include "tests/host/house.hpp"
#include "tests/packed_program.hpp"

namespace troupe::testing {
namespace {

struct Impatience {
  int level;
};

template <class Thrown>
void check_thrown(const Runtime& runtime, const Checkpoint& checkpoint, std::size_t at, const Thrown& thrown,
                  const std::function<bool(const Thrown&)>& same) {
  std::size_t calls = 0;
  const auto impatient = [&](double) {
    if (++calls == at) throw thrown;
  };
  bool caught = false;
  try {
    (void)runtime.load(checkpoint, {.plan = "pp2", .threads = 1, .progress = impatient});
  } catch (const Thrown& error) {
    caught = same(error);
  }
  CHECK(caught);
  CHECK(calls == at);  // and never again
}

Program whole_program(const Checkpoint& checkpoint) {
  const Graph graph = checkpoint.expand({.threads = 1});
  return *host::shard_of(*checkpoint.impl(), graph.nodes[0], {}, {.context = checkpoint.context()}).value().program;
}

}  // namespace

TEST_CASE("fault 3: what progress throws cancels the load, which throws just that") {
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  std::size_t calls = 0;
  const Ids expected = continued(
      runtime.load(checkpoint, {.plan = "pp2", .threads = 1, .progress = [&](double) { ++calls; }}), {1, 2, 3}, 20);
  REQUIRE(calls > 4);
  for (const std::size_t at : {std::size_t{1}, std::size_t{2}, calls / 2, calls - 1, calls}) {
    INFO("call " << at << " of " << calls);
    check_thrown<int>(runtime, checkpoint, at, 5, [](int thrown) { return thrown == 5; });
    check_thrown<Impatience>(runtime, checkpoint, at, {7}, [](const Impatience& thrown) { return thrown.level == 7; });
    check_thrown<std::bad_alloc>(runtime, checkpoint, at, {}, [](const auto&) { return true; });
    check_thrown<std::system_error>(runtime, checkpoint, at, {ECANCELED, std::system_category()},
                                    [](const auto& thrown) { return thrown.code().value() == ECANCELED; });
    check_thrown<Error>(runtime, checkpoint, at, {Code::queue_full, "enough"}, [](const Error& thrown) {
      return thrown.code() == Code::queue_full && thrown.message() == "enough";
    });
  }
  CHECK(continued(runtime.load(checkpoint, {.plan = "pp2", .threads = 1}), {1, 2, 3}, 20) == expected);
}

TEST_CASE("fault 3: packing ends on all its threads once it is told to, and asks no more") {
  const Checkpoint checkpoint = Runtime().open(tiny_path());
  const Program program = whole_program(checkpoint);
  std::size_t all = 0;
  REQUIRE(packed_program(program, 1, [&](std::size_t) { return ++all > 0; }).ok());
  for (const std::uint32_t threads : {1U, 2U, 8U}) {
    for (const std::size_t at : {std::size_t{1}, all / 2, all}) {
      std::size_t calls = 0;
      const auto packed = packed_program(program, threads, [&](std::size_t) { return ++calls != at; });
      REQUIRE_FALSE(packed);
      CHECK(packed.error().code() == Code::cancelled);
      CHECK(calls == at);
    }
  }
}

TEST_CASE("fault 3: progress rises from above 0 to 1, called from one thread at a time") {
  const Runtime runtime;
  for (const char* plan : {"", "pp2", "tp2", "dp2.pp2"}) {
    INFO(plan);
    std::vector<double> fractions;
    std::atomic<int> inside{0}, most{0};
    (void)runtime.load(tiny_path(), {.plan = plan, .threads = 1, .progress = [&](double fraction) {
                                       most = std::max<int>(most, ++inside);
                                       fractions.push_back(fraction);
                                       --inside;
                                     }});
    CHECK(most == 1);
    REQUIRE(fractions.size() > 1);
    CHECK(fractions.front() > 0);
    CHECK(fractions.back() == 1.0);
    CHECK(std::is_sorted(fractions.begin(), fractions.end()));
  }
}

TEST_CASE("fault 4: where no more threads can be had, packing goes on with those that there are") {
  const Checkpoint checkpoint = Runtime().open(tiny_path());
  const Program program = whole_program(checkpoint);
  pthread_attr_t usual, huge;
  REQUIRE(pthread_getattr_default_np(&usual) == 0);
  REQUIRE(pthread_attr_init(&huge) == 0);
  REQUIRE(pthread_attr_setstacksize(&huge, std::size_t{1} << 46) == 0);  // more than there are addresses for
  REQUIRE(pthread_setattr_default_np(&huge) == 0);
  bool refused = false;
  try {
    std::thread([] {}).join();
  } catch (const std::system_error&) {
    refused = true;
  }
  std::size_t done = 0;
  const auto packed = packed_program(program, 8, [&](std::size_t bytes) { return (done = bytes) > 0; });
  pthread_setattr_default_np(&usual);
  CHECK(refused);
  REQUIRE(packed.ok());
  CHECK(done == weight_bytes(program));
  const auto expected = packed_program(program, 1).value();
  for (std::size_t i = 0; i < program.weights.size(); ++i) {
    const kernels::PackedMatrix &mine = (*packed)->weights[i].matrix, &theirs = expected->weights[i].matrix;
    if (program.weights[i].use != Weight::Use::matrix) continue;
    CHECK(std::equal(mine.data, mine.data + mine.groups() * mine.group_bytes, theirs.data));
  }
}

}  // namespace troupe::testing
