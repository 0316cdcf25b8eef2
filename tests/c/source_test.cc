#include <fcntl.h>
#include <unistd.h>

#include "tests/c/requests.hpp"

namespace troupe::testing {
namespace {

using Open = decltype(&troupe_checkpoint_open_source);

troupe_status open_from(Open how, const troupe_source& source, HeldCheckpoint& checkpoint, troupe_error* error) {
  const HeldRuntime runtime = new_runtime();
  return how(runtime, &source, nullptr, checkpoint.out(), error);
}

void refused(troupe_source source, const std::string& words) {
  fails(TROUPE_INVALID_ARGUMENT, words, [&](auto* error) {
    HeldCheckpoint none;
    return open_from(troupe_checkpoint_open_source, source, none, error);
  });
}

}  // namespace

TEST_CASE("C: a model from memory is given back when nobody reads it any more") {
  const std::string file = TinyModel{}.file();
  int released = 0;
  auto source = made(troupe_source_default);
  source.bytes = file.data();
  source.length = file.size();
  source.user = &released;
  source.release = [](void* user) { ++*static_cast<int*>(user); };
  HeldCheckpoint checkpoint;
  succeeds([&](auto* error) { return open_from(troupe_checkpoint_open_source, source, checkpoint, error); });
  const HeldRuntime runtime = new_runtime();
  HeldModel model;
  const auto options = load_options();
  succeeds([&](auto* error) {
    return troupe_model_load_checkpoint(runtime, checkpoint, nullptr, &options, model.out(), error);
  });
  CHECK(read(started(model, hello, tokens(5))).ids.size() == 5);
  checkpoint.free();
  CHECK(released == 0);
  model.free();
  CHECK(released == 1);

  source.length = 100;  // broken: nothing is taken
  HeldCheckpoint none;
  fails(TROUPE_BAD_FILE, "(memory)",
        [&](auto* error) { return open_from(troupe_checkpoint_open_source, source, none, error); });
  CHECK(released == 1);
}

TEST_CASE("C: a model from a path and from a descriptor") {
  auto source = made(troupe_source_default);
  source.path = tiny_path().c_str();
  HeldCheckpoint by_path;
  succeeds([&](auto* error) { return open_from(troupe_checkpoint_open_source, source, by_path, error); });
  CHECK(troupe_checkpoint_has_model(by_path) == 1);
  source.path = nullptr;
  source.descriptor = open(tiny_path().c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(source.descriptor >= 0);
  HeldCheckpoint by_descriptor;
  succeeds([&](auto* error) { return open_from(troupe_checkpoint_open_source, source, by_descriptor, error); });
  close(source.descriptor);
  CHECK(troupe_checkpoint_layers(by_descriptor) == 4);
}

TEST_CASE("C: a file is opened for its tokenizer alone") {
  auto source = made(troupe_source_default);
  source.path = tiny_path().c_str();
  HeldCheckpoint tokenizer;
  succeeds([&](auto* error) { return open_from(troupe_tokenizer_open, source, tokenizer, error); });
  CHECK(troupe_checkpoint_has_model(tokenizer) == 0);
  CHECK(troupe_checkpoint_layers(tokenizer) == 0);
  CHECK(troupe_checkpoint_vocabulary(tokenizer) > 0);
  std::int32_t* ids = nullptr;
  std::size_t count = 0;
  succeeds([&](auto* error) { return troupe_checkpoint_tokenize(tokenizer, "hello", 5, 1, &ids, &count, error); });
  CHECK(count > 0);
  troupe_free(ids);
  char* graph = nullptr;
  fails(TROUPE_UNSUPPORTED, "",
        [&](auto* error) { return troupe_checkpoint_expand(tokenizer, nullptr, &graph, error); });
}

TEST_CASE("C: a source is one place", "[bad-input]") {
  auto source = made(troupe_source_default);
  refused(source, "says 0 places");
  source.path = "a";
  source.descriptor = 0;
  refused(source, "says 2 places");
  source.size = 0;
  refused(source, "troupe_source_default");
  const HeldRuntime runtime = new_runtime();
  HeldCheckpoint none;
  for (const Open how : {troupe_checkpoint_open_source, troupe_tokenizer_open}) {
    needs("source", [&](auto* error) { return how(runtime, nullptr, nullptr, none.out(), error); });
    needs("runtime", [&](auto* error) { return how(nullptr, &source, nullptr, none.out(), error); });
    needs("checkpoint", [&](auto* error) { return how(runtime, &source, nullptr, nullptr, error); });
  }
}

}  // namespace troupe::testing
