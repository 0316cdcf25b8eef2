// How long threads of one process take to meet and to hand each other tensors. Two threads, pinned to cores 0 and 1.
#include <pthread.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <thread>
#include <vector>

#include "tests/transport/ends.hpp"

namespace {

using namespace troupe::transport;
namespace testing = troupe::testing;

constexpr WaitPolicy spin{1u << 30};

double nanoseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  if (pthread_setaffinity_np(pthread_self(), sizeof set, &set) != 0)
    std::fprintf(stderr, "not pinned to core %d\n", core);
}

/// Runs `work(side, call)` on two pinned threads, `batches` times `batch` calls counted from 1; prints the time of one.
void measure(const char* name, int batches, int batch, double bytes,
             const std::function<void(int, std::uint64_t)>& work) {
  std::vector<double> times;
  const auto side = [&](int self) {
    pin(self);
    std::uint64_t call = 0;
    for (int i = 0; i < batches; ++i) {
      const auto start = Clock::now();
      for (int j = 0; j < batch; ++j) work(self, ++call);
      if (self == 0) times.push_back(nanoseconds_since(start) / batch);
    }
  };
  std::thread other(side, 1);
  std::thread(side, 0).join();
  other.join();
  std::sort(times.begin(), times.end());
  const double median = times[times.size() / 2];
  std::printf("%-44s min %9.0f ns  median %9.0f ns", name, times.front(), median);
  if (bytes > 0) std::printf("  %6.2f GB/s", bytes / median);
  std::printf("\n");
}

void meet() {
  Counter arrived[2];
  const AbortFlag never;
  measure("two threads meet", 200, 1000, 0, [&](int self, std::uint64_t call) {
    arrived[self].advance();
    arrived[1 - self].wait_until(call, spin, Deadline{}, never, "the other thread").value();
  });
  Counter ping, pong;
  measure("counter, there and back", 200, 1000, 0, [&](int self, std::uint64_t call) {
    if (self == 0) ping.advance();
    (self == 0 ? pong : ping).wait_until(call, spin, Deadline{}, never, "the other thread").value();
    if (self == 1) pong.advance();
  });
}

void all_reduce(const char* name, std::size_t rows, std::size_t columns, int batches, int batch) {
  auto group = testing::group_in_memory(2, spin);
  std::vector<std::int64_t> values[2], sums[2];
  for (int side = 0; side < 2; ++side) {
    values[side].assign(rows * columns, side + 1);
    sums[side].assign(rows * columns, 0);
  }
  const auto view = [&](std::vector<std::int64_t>& v) { return tensor_of(v.data(), rows, columns); };
  measure(name, batches, batch, static_cast<double>(rows * columns * 8), [&](int self, std::uint64_t) {
    auto& rank = *group[static_cast<std::size_t>(self)];
    ended(rank.all_reduce(view(values[self]), view(sums[self]), Deadline{}), Deadline{}).value();
  });
}

/// A tensor goes to the other side and back: half the time is one way.
void channel(const char* name, std::size_t bytes, int batches, int batch) {
  auto there = testing::channel_in_memory(2, bytes, spin), back = testing::channel_in_memory(2, bytes, spin);
  std::vector<std::byte> memory[2] = {std::vector<std::byte>(bytes), std::vector<std::byte>(bytes)};
  measure(name, batches, batch, 2 * static_cast<double>(bytes), [&](int self, std::uint64_t) {
    const Tensor tensor{memory[self].data(), Element::u8, 1, bytes, bytes};
    auto& out = self == 0 ? there : back;
    auto& in = self == 0 ? back : there;
    if (self == 0) out.sender->send(tensor, Deadline{}).value();
    in.receiver->receive(tensor, Deadline{}).value();
    if (self == 1) out.sender->send(tensor, Deadline{}).value();
  });
}

}  // namespace

int main() {
  meet();
  all_reduce("all_reduce 576 i64", 1, 576, 200, 1000);
  all_reduce("all_reduce 2304 i64", 1, 2304, 200, 300);
  all_reduce("all_reduce 512 x 576 i64", 512, 576, 100, 2);
  channel("channel 2304 bytes, there and back", 2304, 200, 500);
  channel("channel 1.2 MB, there and back", 1200000, 100, 2);
  return 0;
}
