// A host program that ends in the way that its first argument names: each way is a process of its own, because what is
// tested is how a process ends. Started by lives_test.py. Usage: lives WAY
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "tests/host/tiny_model.hpp"
#include "troupe/troupe.hpp"

namespace troupe::testing {
namespace {

#define EXPECT(what)                                                       \
  do {                                                                     \
    if (what) break;                                                       \
    std::fprintf(stderr, "lives: line %d: not so: %s\n", __LINE__, #what); \
    std::_Exit(3);                                                         \
  } while (false)

const std::string& model_path() {
  static const std::string path = [] {
    const int file = memfd_create("tiny", 0);
    const std::string bytes = TinyModel{}.file();
    EXPECT(write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    return "/proc/self/fd/" + std::to_string(file);
  }();
  return path;
}

const LoadOptions options{.plan = "pp2.tp2", .threads = 1};

std::size_t tokens_of(Generation stream) {
  std::size_t count = 0;
  while (const auto token = stream.next()) count += token->id >= 0 ? 1 : 0;
  return count;
}

GenerateOptions twenty() { return {.max_tokens = 20, .ignore_end = true}; }

void speak(const Model& model) { EXPECT(tokens_of(model.generate({1, 2, 3}, twenty())) == 20); }

/// A thread that lives on, doing what it is told.
class PoolThread {
 public:
  void run(std::function<void()> job) {
    std::packaged_task<void()> task(std::move(job));
    auto done = task.get_future();
    {
      const std::lock_guard lock(mutex_);
      task_ = std::move(task);
      changed_.notify_one();
    }
    done.get();
  }
  ~PoolThread() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
      changed_.notify_one();
    }
    thread_.join();
  }

 private:
  void work() {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return over_ || task_.valid(); });
      if (over_) return;
      auto task = std::move(task_);
      lock.unlock();
      task();
    }
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::packaged_task<void()> task_;
  bool over_ = false;
  std::thread thread_{[this] { work(); }};
};

// --- statics, which end after main

Runtime& function_static() {
  static Runtime runtime;
  return runtime;
}
std::optional<Runtime> optional_runtime;
std::unique_ptr<Runtime> unique_runtime;
std::optional<Model> global_model;
std::optional<Generation> global_stream;

void static_runtime() { speak(function_static().load(model_path(), options)); }
void static_optional() {
  optional_runtime.emplace();
  speak(optional_runtime->load(model_path(), options));
}
void static_unique() {
  unique_runtime = std::make_unique<Runtime>();
  speak(unique_runtime->load(model_path(), options));
}
void static_model() {
  global_model = function_static().load(model_path(), options);
  speak(*global_model);
}
void static_model_alone() {
  global_model = Runtime().load(model_path(), options);
  speak(*global_model);
}
void static_stream() {
  global_stream = Runtime().load(model_path(), options).generate({1, 2, 3}, twenty());
  EXPECT(global_stream->next());
}
void static_unused() { function_static(); }

void exit_elsewhere() {
  static_model();
  std::thread([] { std::exit(0); }).join();
}
void exit_elsewhere_under_way() {
  static_stream();
  std::thread([] { std::exit(0); }).join();
}

// --- the last reference goes on another thread than the first came from

void loaded_on_a_pool_thread() {
  PoolThread pool;
  {
    const Runtime runtime;
    std::optional<Model> model;
    pool.run([&] { model = runtime.load(model_path(), options); });
    speak(*model);
  }
}
void dropped_on_a_pool_thread() {
  PoolThread pool;
  auto runtime = std::make_unique<Runtime>();
  std::optional<Model> model = runtime->load(model_path(), options);
  std::optional<Generation> stream = model->generate({1, 2, 3}, twenty());
  pool.run([&] { runtime.reset(); });
  pool.run([&] { model.reset(); });
  EXPECT(stream->next());
  pool.run([&] { stream.reset(); });
}
void made_and_dropped_on_pool_threads() {
  PoolThread first, second;
  std::unique_ptr<Runtime> runtime;
  first.run([&] { runtime = std::make_unique<Runtime>(); });
  second.run([&] { speak(runtime->load(model_path(), options)); });
  runtime.reset();
}
void many_threads_each_its_own() {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([] {
      for (int round = 0; round < 3; ++round) speak(Runtime().load(model_path(), {.threads = 1}));
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// --- fork

/// The exit code of a child that does this.
int child_of(const std::function<void()>& does, bool exits) {
  const pid_t child = fork();
  if (child == 0) {
    does();
    exits ? std::exit(0) : std::_Exit(0);
  }
  int status = 0;
  EXPECT(waitpid(child, &status, 0) == child);
  EXPECT(WIFEXITED(status));
  return WEXITSTATUS(status);
}

bool refuses(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code() == Code::invalid_argument;
  }
  return false;
}

void forked(bool exits) {
  auto runtime = std::make_unique<Runtime>();
  std::optional<Model> model = runtime->load(model_path(), options);
  std::optional<Generation> stream = model->generate({1, 2, 3}, {.max_tokens = 200, .ignore_end = true});
  EXPECT(stream->next());
  std::optional<Request> request = model->generate({1, 2, 3}, {.max_tokens = 200, .ignore_end = true}, {});
  const auto in_child = [&] {
    EXPECT(refuses([&] { (void)model->generate({1}, twenty()); }));
    EXPECT(refuses([&] { (void)stream->next(); }));
    EXPECT(refuses([&] { model->logits({1}, false, [](auto, auto) {}); }));
    EXPECT(refuses([&] { stream->cancel(); }));
    EXPECT(refuses([&] { request->cancel(); }));
    EXPECT(refuses([&] { (void)model->generate({1}, twenty(), {}); }));
    request.reset();
    EXPECT(refuses([&] { (void)runtime->load(model_path(), options); }));
    stream.reset();
    model.reset();
    runtime.reset();
    speak(Runtime().load(model_path(), {.threads = 1}));
  };
  for (int i = 0; i < 5; ++i) EXPECT(child_of(in_child, exits) == 0);
  EXPECT(stream->next());
  speak(*model);
}
void fork_destroys() { forked(false); }
void fork_destroys_and_exits() { forked(true); }
void fork_exits() {
  static_stream();
  EXPECT(child_of([] {}, true) == 0);
  EXPECT(global_stream->next());
}

// --- on threads of the runtime itself

struct Doing final : Actor {
  std::function<void(const StepView&)> what;
  explicit Doing(std::function<void(const StepView&)> does) : what(std::move(does)) {}
  void on_step(const StepView& step) override { what(step); }
};

Model with_tap(Runtime& runtime, std::function<void(const StepView&)> does) {
  runtime.add_actor("tap", [does](const auto&) { return std::make_unique<Doing>(does); });
  const LoadOptions plain{.plan = "pp2", .threads = 1};
  const Checkpoint checkpoint = runtime.open(model_path());
  Graph graph = checkpoint.expand(plain);
  graph.insert({.name = "tap", .kind = "tap"}, "r0.s0.t0:hidden", "r0.s1.t0:hidden");
  return runtime.load(checkpoint, graph, plain);
}

/// The last references to everything go within on_step.
void dropped_in_on_step() {
  for (int round = 0; round < 5; ++round) {
    auto runtime = std::make_shared<std::optional<Runtime>>(std::in_place);
    const auto model = std::make_shared<std::optional<Model>>();
    const auto stream = std::make_shared<std::optional<Generation>>();
    const auto given = std::make_shared<std::promise<void>>(), dropped = std::make_shared<std::promise<void>>();
    *model = with_tap(**runtime, [=, done = false](const StepView& step) mutable {
      if (step.rows[0].position != 5 || std::exchange(done, true)) return;
      given->get_future().wait();
      runtime->reset();
      model->reset();
      stream->reset();
      dropped->set_value();
    });
    *stream = (*model)->generate({1, 2, 3}, twenty());
    given->set_value();
    dropped->get_future().wait();
  }
}
void exit_in_on_step() {
  global_model = with_tap(function_static(), [](const StepView& step) {
    if (step.rows[0].position == 5) std::exit(0);
  });
  (void)tokens_of(global_model->generate({1, 2, 3}, twenty()));
}
void waits_for_itself() {
  Runtime runtime;
  const auto model = std::make_shared<std::optional<Model>>();
  std::atomic<int> refused{0}, other{0};
  const Model second = runtime.load(model_path(), {.threads = 1});
  *model = with_tap(runtime, [&, model](const StepView& step) {
    if (step.rows[0].position != 5) return;
    refused += refuses([&] { (void)tokens_of((*model)->generate({1}, {.max_tokens = 2})); }) ? 1 : 0;
    refused += refuses([&] { (*model)->logits({1}, false, [](auto, auto) {}); }) ? 1 : 0;
    other += tokens_of(second.generate({1}, {.max_tokens = 2, .ignore_end = true})) == 2 ? 1 : 0;  // may be waited for
  });
  EXPECT(tokens_of((*model)->generate({1, 2, 3}, twenty())) == 20);
  EXPECT(refused == 2);
  EXPECT(other == 1);
  int in_sink = 0;
  second.logits({1, 2}, true, [&](auto, auto) {
    in_sink += refuses([&] { second.logits({1}, false, [](auto, auto) {}); }) ? 1 : 0;
    in_sink += refuses([&] { (void)tokens_of(second.generate({1}, twenty())); }) ? 1 : 0;
  });
  EXPECT(in_sink == 4);
}
/// The last reference to everything goes within a callback; the other streams end all the same.
void dropped_in_a_callback() {
  for (int round = 0; round < 5; ++round) {
    auto runtime = std::make_unique<Runtime>();
    std::optional<Model> model = runtime->load(model_path(), options);
    std::promise<void> started;
    std::atomic<int> ends{0};
    const auto all = std::make_shared<std::promise<void>>();
    const auto ended = [&, all](const Request&, const Finish&) {
      if (++ends == 3) all->set_value();
    };
    const GenerateOptions endless{.max_tokens = 200, .ignore_end = true};
    for (int i = 0; i < 2; ++i) model->generate({1, 2, 3}, endless, {.on_finish = ended});
    model->generate({1, 2, 3}, endless,
                    {.on_token =
                         [&, done = false](const Request&, const Token&) mutable {
                           if (std::exchange(done, true)) return;
                           started.get_future().wait();
                           runtime.reset();
                           model.reset();
                         },
                     .on_finish = ended});
    started.set_value();
    all->get_future().wait();
  }
}
/// A static model ends after main, and its streams with it.
void static_model_with_callbacks() {
  static std::atomic<int> ends{0};
  global_model = function_static().load(model_path(), options);
  for (int i = 0; i < 20; ++i) {
    global_model->generate({1, 2, 3}, {.max_tokens = 200, .ignore_end = true},
                           {.on_finish = [](const Request&, const Finish&) { ++ends; }});
  }
}
void exit_in_a_callback() {
  global_model = function_static().load(model_path(), options);
  global_model->generate({1, 2, 3}, twenty(), {.on_token = [](const Request&, const Token&) { std::exit(0); }});
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

/// The log speaks on a thread that runs the actors' messages.
void waits_in_the_log() {
  std::optional<Model> model;
  std::promise<bool> refused;
  Runtime runtime({.log = [&](LogLevel, std::string_view line) {
    if (line.find("deadline") == line.npos) return;
    refused.set_value(refuses([&] { (void)tokens_of(model->generate({1}, twenty())); }));
  }});
  model = runtime.load(model_path(), options);
  try {
    (void)tokens_of(model->generate({1, 2, 3}, {.deadline = std::chrono::milliseconds(0)}));
  } catch (const Error&) {
  }
  EXPECT(refused.get_future().get());
}

const std::map<std::string, void (*)()> ways{
    {"static_runtime", static_runtime},
    {"static_optional", static_optional},
    {"static_unique", static_unique},
    {"static_model", static_model},
    {"static_model_alone", static_model_alone},
    {"static_stream", static_stream},
    {"static_unused", static_unused},
    {"exit_elsewhere", exit_elsewhere},
    {"exit_elsewhere_under_way", exit_elsewhere_under_way},
    {"loaded_on_a_pool_thread", loaded_on_a_pool_thread},
    {"dropped_on_a_pool_thread", dropped_on_a_pool_thread},
    {"made_and_dropped_on_pool_threads", made_and_dropped_on_pool_threads},
    {"many_threads_each_its_own", many_threads_each_its_own},
    {"fork_destroys", fork_destroys},
    {"fork_destroys_and_exits", fork_destroys_and_exits},
    {"fork_exits", fork_exits},
    {"dropped_in_on_step", dropped_in_on_step},
    {"exit_in_on_step", exit_in_on_step},
    {"waits_for_itself", waits_for_itself},
    {"dropped_in_a_callback", dropped_in_a_callback},
    {"static_model_with_callbacks", static_model_with_callbacks},
    {"exit_in_a_callback", exit_in_a_callback},
    {"waits_in_the_log", waits_in_the_log},
};

}  // namespace
}  // namespace troupe::testing

int main(int argc, char** argv) {
  using troupe::testing::ways;
  if (argc != 2) {
    for (const auto& [name, way] : ways) std::puts(name.c_str());
    return 0;
  }
  ways.at(argv[1])();
  return 0;
}
