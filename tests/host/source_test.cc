#include <fcntl.h>
#include <unistd.h>

#include "tests/host/house.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

/// The tiny model's bytes, and whether anybody still holds them.
struct Lent {
  std::shared_ptr<const std::string> bytes = std::make_shared<const std::string>(TinyModel{}.file());
  [[nodiscard]] FileInMemory file() const { return {std::as_bytes(std::span(*bytes)), bytes, "lent"}; }
};

FileInMemory in_memory(const std::string& bytes) { return {.bytes = std::as_bytes(std::span(bytes))}; }

const std::vector<const char*> ways{"he", "hello <|im_end|>", "\xE2\x82\xAC aaaa"};

/// Both do the same with texts.
void check_same_texts(const Checkpoint& a, const Checkpoint& b) {
  for (const char* text : ways) {
    CHECK(a.tokenize(text) == b.tokenize(text));
    CHECK(a.prompt(text, false) == b.prompt(text, false));
    CHECK(a.detokenize(a.tokenize(text)) == b.detokenize(b.tokenize(text)));
  }
}

}  // namespace

TEST_CASE("a model from memory, from a descriptor and from a path are the same") {
  const Runtime runtime;
  const Ids expected = continued(runtime.load(tiny_path(), {.threads = 1}), {1, 2, 3}, 30);
  Lent lent;
  std::optional<Model> model = runtime.load(lent.file(), {.plan = "pp2", .threads = 1});
  CHECK(continued(*model, {1, 2, 3}, 30) == expected);
  CHECK(lent.bytes.use_count() > 1);
  model.reset();
  CHECK(lent.bytes.use_count() == 1);

  const int file = ::open(tiny_path().c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(file >= 0);
  REQUIRE(::lseek(file, 100, SEEK_SET) == 100);  // wherever it stands
  for (const std::optional<bool> copy : {std::optional<bool>(), std::optional(true), std::optional(false)}) {
    model = runtime.load(FileDescriptor{.number = file}, {.threads = 1, .copy = copy});
    CHECK(continued(*model, {1, 2, 3}, 30) == expected);
  }
  const Checkpoint opened = runtime.open(FileDescriptor{.number = file, .name = "a file"});
  CHECK(::close(file) == 0);  // it was the caller's
  CHECK(continued(runtime.load(opened, {.threads = 1}), {1, 2, 3}, 30) == expected);
}

TEST_CASE("a copy of lent memory lets go of it") {
  const Runtime runtime;
  Lent lent;
  const Checkpoint copy = runtime.open(lent.file(), {.copy = true});
  CHECK(lent.bytes.use_count() == 1);
  const Checkpoint held = runtime.open(lent.file());
  CHECK(lent.bytes.use_count() > 1);
  const Model model = runtime.load(held, {.threads = 1, .copy = true});
  CHECK(model.checkpoint().tokenize("hello") == copy.tokenize("hello"));
}

TEST_CASE("what is no model is refused by its name, wherever it is", "[bad-input]") {
  const Runtime runtime;
  const std::string text = "just text", cut = TinyModel{}.file().substr(0, 5000);
  for (const std::optional<bool> copy : {std::optional<bool>(), std::optional(true)}) {
    CHECK_THAT(error_of([&] { (void)runtime.open(in_memory(text), {.copy = copy}); }).message(), Contains("(memory)"));
    CHECK(error_of([&] { (void)runtime.open(in_memory(cut), {.copy = copy}); }).code() == Code::bad_file);
    CHECK_FALSE(error_of([&] { (void)runtime.open(FileInMemory{}, {.copy = copy}); }).message().empty());
  }
  for (const int number : {-1, 1'000'000}) {
    const Error error = error_of([&] { (void)runtime.load(FileDescriptor{.number = number}); });
    CHECK_THAT(error.message(), Contains("descriptor " + std::to_string(number)));
    CHECK((error.code() == Code::invalid_argument) == (number < 0));
  }
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  CHECK_THAT(error_of([&] { (void)runtime.open(FileDescriptor{.number = ends[0], .name = "in"}); }).message(),
             Contains("pipe"));
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("a file is opened for its tokenizer alone, whatever else is in it") {
  const Runtime runtime;
  const Checkpoint whole = runtime.open(tiny_path());
  CHECK(whole.has_model());
  TinyModel strange;
  strange.keys = [](GgufWriter& writer) { writer.string("general.type", "adapter"); };
  TinyModel of_unknown_kind{.architecture = "perceptron9000"};
  GgufWriter vocabulary = tiny_bpe().bpe();
  vocabulary.number("tokenizer.ggml.eos_token_id", ElementType::u32, 265);
  const std::string no_tensors = vocabulary.file();
  CHECK(error_of([&] { (void)runtime.open(in_memory(no_tensors)); }).code() == Code::unsupported);
  for (const std::string& bytes : {strange.file(), of_unknown_kind.file(), no_tensors, TinyModel{}.file()}) {
    const Checkpoint tokenizer = runtime.open_tokenizer(in_memory(bytes));
    CHECK_FALSE(tokenizer.has_model());
    CHECK(tokenizer.vocabulary() == 267);
    CHECK(tokenizer.tensors().empty());
    CHECK(tokenizer.layers() == 0);
    CHECK(tokenizer.context() == 0);
    CHECK(tokenizer.plans(4).empty());
    CHECK(tokenizer.metadata().size() > 3);
    check_same_texts(tokenizer, whole);
    for (const Error& error :
         {error_of([&] { (void)tokenizer.expand({}); }), error_of([&] { (void)tokenizer.memory(Graph{}, {}); }),
          error_of([&] { (void)tokenizer.program(Graph{}, "x", {}); }),
          error_of([&] { (void)runtime.load(tokenizer); }),
          error_of([&] { (void)runtime.load(tokenizer, whole.expand({})); })}) {
      CHECK(error.code() == Code::unsupported);
      CHECK_THAT(error.message(), Contains("tokenizer alone"));
    }
  }
}

TEST_CASE("tensors of a type or shape that no model has do not stand in a tokenizer's way") {
  const Runtime runtime;
  GgufWriter writer = tiny_bpe().bpe();
  writer.tensor("blk.0.strange", {32, 4, 5}, 99, 0);
  const std::string bytes = writer.file(4096);
  CHECK(error_of([&] { (void)runtime.open(in_memory(bytes)); }).code() == Code::unsupported);
  CHECK(runtime.open_tokenizer(in_memory(bytes)).tokenize("hello").size() == 1);
}

TEST_CASE("a file without a tokenizer has none to open", "[bad-input]") {
  const Runtime runtime;
  TinyModel model;
  model.tokenizer = [] { return GgufWriter(); };
  const std::string without = model.file();
  CHECK_THAT(error_of([&] { (void)runtime.open_tokenizer(in_memory(without)); }).message(),
             Contains("tokenizer.ggml.model"));
  GgufWriter unknown;
  unknown.string("tokenizer.ggml.model", "runes");
  const std::string runes = unknown.file();
  CHECK_THAT(error_of([&] { (void)runtime.open_tokenizer(in_memory(runes)); }).message(), Contains("runes"));
}

}  // namespace troupe::testing
