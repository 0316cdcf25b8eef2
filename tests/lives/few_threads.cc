// A host on a system that has few threads left: pthread_create fails after so many. Each number is tried in turn, in a
// process of its own so that a hang or an abort is seen. Started by lives_test.py. Usage: few_threads PLAN ALLOWED
#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <string>

#include "tests/host/tiny_model.hpp"
#include "troupe/troupe.hpp"

namespace {

std::atomic<long> left{1'000'000};

}  // namespace

/// Stands before the C library's.
extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*),
                              void* argument) {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  if (left.fetch_sub(1) <= 0) return EAGAIN;
  return create(thread, attributes, run, argument);
}

int main(int, char** argv) {
  const int file = memfd_create("tiny", 0);
  const std::string bytes = troupe::testing::TinyModel{}.file();
  if (write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) return 3;
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  const auto speak = [&](const troupe::Runtime& runtime) {
    std::size_t count = 0;
    const troupe::Model model = runtime.load(path, {.plan = argv[1], .threads = 2});
    for (const auto& token : model.generate({1, 2, 3}, {.max_tokens = 5, .ignore_end = true}))
      count += token.id >= 0 ? 1 : 0;
    return count == 5;
  };
  left = std::stol(argv[2]);
  try {
    const troupe::Runtime runtime;
    if (runtime.open(path).layers() != 4) return 3;  // what only looks needs no thread
    const bool spoke = speak(runtime);
    std::puts(spoke ? "spoke" : "silent");
    return spoke ? 0 : 3;
  } catch (const troupe::Error& error) {
    std::printf("refused: %s\n", error.what());
  }
  left = 1'000'000;
  return speak(troupe::Runtime()) ? 0 : 3;
}
