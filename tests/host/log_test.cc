#include "tests/host/house.hpp"
#include "tests/host/journal.hpp"
#include "tests/host/staged_graph.hpp"

namespace troupe::testing {
TEST_CASE("fault 24: the log hears of loads, failed ones too, and of a model's end", "[bad-input]") {
  Journal journal;
  Runtime runtime({.log = journal.writer()});
  {
    const Model model = runtime.load(tiny_path(), {.plan = "pp2", .threads = 1});
    CHECK(journal.count(LogLevel::info, "loaded " + tiny_path() + ": 2 nodes") == 1);
  }
  CHECK(journal.count(LogLevel::info, "closed " + tiny_path()) == 1);
  CHECK(error_of([&] { (void)runtime.load("/nowhere.gguf"); }).code() == Code::not_found);
  CHECK(journal.count(LogLevel::error, "/nowhere.gguf") == 1);
  CHECK(error_of([&] { (void)runtime.load(tiny_path(), {.plan = "pp9"}); }).code() == Code::invalid_argument);
  CHECK(journal.count(LogLevel::error, "pp9") == 1);
  runtime.add_actor("bad", [](const auto&) -> std::unique_ptr<Actor> { throw std::runtime_error("no costume"); });
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const LoadOptions options{.plan = "pp2", .threads = 1};
  const Graph graph = with_actors(checkpoint.expand(options), "bad", "hidden");
  CHECK_THROWS_AS((void)runtime.load(checkpoint, graph, options), Error);
  CHECK(journal.count(LogLevel::error, "no costume") == 1);
}

TEST_CASE("the log hears of what a file says that is put up with", "[bad-input]") {
  TinyModel tiny{.layers = 1};
  tiny.keys = [](GgufWriter& writer) { writer.number("tokenizer.ggml.bos_token_id", ElementType::u32, 9999U); };
  const MemoryFile file(tiny.file());
  Journal journal;
  const Runtime runtime({.log = journal.writer()});
  (void)runtime.open(file.path());
  CHECK(journal.count(LogLevel::warning, "bos_token_id\" is 9999") == 1);
  (void)runtime.open_tokenizer(file.path());
  CHECK(journal.count(LogLevel::warning, "bos_token_id\" is 9999") == 2);
  (void)runtime.load(file.path(), {.threads = 1});
  CHECK(journal.count(LogLevel::warning, "bos_token_id\" is 9999") == 3);
}

TEST_CASE("more context than a model was trained on is allowed, and the log hears of it") {
  Journal journal;
  const Runtime runtime({.log = journal.writer()});
  Ids ids(300);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<TokenId>(i * 7 % 250);
  const auto logits = [&](const char* plan) {
    return logits_of(runtime.load(tiny_path(), {.plan = plan, .threads = 1, .context = 400}), ids);
  };
  CHECK(logits("tp1") == logits("cp3"));
  CHECK(journal.count(LogLevel::warning, "the context is 400 positions, and the model was trained on 256") == 2);
}

TEST_CASE("fault 24: the log hears of refused requests and of deadlines that passed", "[bad-input]") {
  Journal journal;
  Runtime runtime({.log = journal.writer()});
  Gate gate;
  runtime.add_actor("gate", factory_of([&](const StepView&) { gate.pass(); }));
  const LoadOptions options{.plan = "pp2", .threads = 1, .parallel = 1, .queue = 1};
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const Model model = runtime.load(checkpoint, with_actors(checkpoint.expand(options), "gate", "hidden"), options);
  CHECK_THROWS_AS((void)model.generate(Ids{1, 999}), Error);
  CHECK(journal.count(LogLevel::warning, "id 999") == 1);
  CHECK_THROWS_AS(model.logits({-1}, false, [](auto, auto) {}), Error);
  CHECK(journal.count(LogLevel::warning, "id -1") == 1);
  std::vector<Generation> streams;
  for (int i = 0; i < 2; ++i) streams.push_back(model.generate(Ids{1, 2}, tokens(3)));
  CHECK(error_of([&] { (void)model.generate(Ids{1, 2}, tokens(3)); }).code() == Code::queue_full);
  CHECK(journal.count(LogLevel::warning, "queue is full") == 1);
  gate.open();
  for (Generation& stream : streams) CHECK(read(stream).ids.size() == 3);
  GenerateOptions late = tokens(3);
  late.deadline = std::chrono::milliseconds(0);
  const Outcome outcome = outcome_of(model.generate(Ids{1, 2}, late));
  CHECK(outcome.code() == Code::deadline);
  CHECK(outcome_of(model.generate(Ids{1, 2}, tokens(3))).ids.size() == 3);  // by now the line is written
  CHECK(journal.count(LogLevel::warning, "deadline has passed") == 1);
}

TEST_CASE("fault 24: the log hears of options that have no effect beside a graph", "[bad-input]") {
  Journal journal;
  const Runtime runtime({.log = journal.writer()});
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const LoadOptions drawn{.plan = "pp2", .threads = 1};
  const Graph graph = checkpoint.expand(drawn);
  const auto warnings = [&] { return journal.count(LogLevel::warning, "no effect beside a graph"); };
  (void)runtime.load(checkpoint, graph, drawn);
  (void)runtime.load(checkpoint, graph);
  CHECK(warnings() == 0);
  (void)runtime.load(checkpoint, graph, {.plan = "pp3", .threads = 1});
  CHECK(warnings() == 1);
  (void)runtime.load(checkpoint, graph, {.threads = 2});
  CHECK(warnings() == 2);
}

TEST_CASE("fault 3: a log callback that throws fails nothing", "[bad-input]") {
  std::atomic<int> calls{0};
  const Runtime runtime({.log = [&](LogLevel, std::string_view) {
    if (++calls % 2 == 0) throw 5;
    throw std::runtime_error("the disk is full");
  }});
  {
    const Model model = runtime.load(tiny_path(), {.plan = "pp2", .threads = 1});
    CHECK_THROWS_AS((void)model.generate(Ids{1, 999}), Error);
    GenerateOptions late = tokens(3);
    late.deadline = std::chrono::milliseconds(0);
    CHECK(outcome_of(model.generate(Ids{1, 2}, late)).code() == Code::deadline);
    CHECK(continued(model, {1, 2}, 5).size() == 5);
  }
  CHECK(error_of([&] { (void)runtime.load("/nowhere.gguf"); }).code() == Code::not_found);
  CHECK(calls >= 4);
}

}  // namespace troupe::testing
