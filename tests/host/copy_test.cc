// LoadOptions::copy: what becomes of a file does not matter to a copy of it.
#include <fcntl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <thread>

#include "tests/host/house.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

constexpr const char* text = "hello <|im_start|> aaaa \xC3\xA9";

/// Whether this process has a file in its memory.
bool is_mapped(const std::string& path) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(path) != std::string::npos) return true;
  }
  return false;
}

/// Everything that a host asks of a model, and that looks into the file.
struct Answers {
  Ids ids, generated;
  std::string text;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<std::string> tensors;
  bool operator==(const Answers&) const = default;
};

Answers answers_of(const Model& model) {
  Answers answers;
  const Checkpoint& checkpoint = model.checkpoint();
  answers.ids = checkpoint.tokenize(text);
  answers.text = checkpoint.detokenize(answers.ids);
  answers.generated = continued(model, answers.ids, 20);
  answers.metadata = checkpoint.metadata();
  for (const TensorInfo& tensor : checkpoint.tensors()) answers.tensors.push_back(tensor.name);
  return answers;
}

const Answers& expected() {
  static const Answers answers = answers_of(Runtime().load(tiny_path(), {.threads = 1}));
  return answers;
}

void overwrite(const std::string& path, std::string_view bytes) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  REQUIRE(::pwrite(file, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  ::close(file);
}

/// The ways in which others spoil a file.
const std::pair<const char*, std::function<void(const std::string&)>> ways[] = {
    {"deleted", [](const std::string& path) { REQUIRE(::unlink(path.c_str()) == 0); }},
    {"overwritten",
     [](const std::string& path) { overwrite(path, std::string(std::filesystem::file_size(path), '\0')); }},
    {"cut", [](const std::string& path) { REQUIRE(::truncate(path.c_str(), 0) == 0); }},
};

const LoadOptions copied{.threads = 1, .copy = true};

}  // namespace

TEST_CASE("fault 15: a copy keeps nothing of the file mapped") {
  const TemporaryFolder folder;
  const std::string path = folder.write("model.gguf", TinyModel{}.file());
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(path, copied);
  CHECK_FALSE(is_mapped(path));
  const Model model = runtime.load(path, copied);
  const Model of_checkpoint = runtime.load(checkpoint, copied);
  CHECK_FALSE(is_mapped(path));
  CHECK(answers_of(model) == expected());
  CHECK(answers_of(of_checkpoint) == expected());
}

TEST_CASE("fault 15: a model that is loaded with a copy from a mapped checkpoint has a checkpoint of its own") {
  const TemporaryFolder folder;
  const std::string path = folder.write("model.gguf", TinyModel{}.file());
  const Runtime runtime;
  std::optional<Checkpoint> checkpoint = runtime.open(path, {.copy = false});
  CHECK(is_mapped(path));
  const Model model = runtime.load(*checkpoint, copied);
  const Model of_graph = runtime.load(*checkpoint, checkpoint->expand(copied), copied);
  CHECK(model.checkpoint().impl() != checkpoint->impl());
  checkpoint.reset();
  CHECK_FALSE(is_mapped(path));
  CHECK(answers_of(model) == expected());
  CHECK(answers_of(of_graph) == expected());
}

TEST_CASE("fault 15: without a copy the file stays mapped as long as a model of it lives") {
  const TemporaryFolder folder;
  const std::string path = folder.write("model.gguf", TinyModel{}.file());
  const Runtime runtime;
  std::optional<Model> model = runtime.load(path, {.threads = 1, .copy = false});
  CHECK(is_mapped(path));
  CHECK(answers_of(*model) == expected());
  model.reset();
  while (is_mapped(path)) std::this_thread::yield();  // its actors end a little later
  struct statfs system {};
  REQUIRE(::statfs(path.c_str(), &system) == 0);
  constexpr long ext = 0xEF53, tmpfs = 0x01021994, btrfs = 0x9123683E, xfs = 0x58465342, overlay = 0x794C7630;
  const bool local = std::set<long>{ext, tmpfs, btrfs, xfs, overlay}.contains(system.f_type);
  if (!local) WARN("skipped: " << path << " is on a file system that may be a network's");
  const Checkpoint checkpoint = runtime.open(path);
  if (local) CHECK(is_mapped(path));
}

TEST_CASE("fault 15: what becomes of the file does not matter to a copy") {
  const Runtime runtime;
  for (const auto& [way, spoil] : ways) {
    for (const bool by_checkpoint : {false, true}) {
      CAPTURE(way, by_checkpoint);
      const TemporaryFolder folder;
      const std::string path = folder.write("model.gguf", TinyModel{}.file());
      const Model model =
          by_checkpoint ? runtime.load(runtime.open(path, {.copy = false}), copied) : runtime.load(path, copied);
      spoil(path);
      CHECK(answers_of(model) == expected());
    }
  }
}

TEST_CASE("fault 15: a checkpoint whose file has changed is not copied", "[bad-input]") {
  const Runtime runtime;
  for (const auto& [way, spoil] : ways) {
    CAPTURE(way);
    const TemporaryFolder folder;
    const std::string path = folder.write("model.gguf", TinyModel{}.file());
    const Checkpoint checkpoint = runtime.open(path, {.copy = false});
    spoil(path);
    if (std::string(way) == "deleted") {  // its bytes are there as long as they are mapped
      CHECK(answers_of(runtime.load(checkpoint, copied)) == expected());
      continue;
    }
    const Error error = error_of([&] { (void)runtime.load(checkpoint, copied); });
    CHECK(error.code() == Code::bad_file);
    // Where the clock had not ticked since it was opened, what the zeros say is all that shows.
    CHECK_THAT(error.message(), Contains("has been changed since it was opened") || Contains("begins with zeros"));
  }
}

TEST_CASE("fault 15: a file that is cut and overwritten while it is copied gives an error or the right model") {
  const TemporaryFolder folder;
  const std::string whole = TinyModel{}.file(), zeros(whole.size(), '\0');
  const std::string path = folder.write("model.gguf", whole);
  std::jthread writer([&](const std::stop_token& over) {
    while (!over.stop_requested()) {
      for (const std::string* bytes : {&zeros, &whole}) {
        const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
        (void)!::pwrite(file, bytes->data(), bytes->size(), 0);
        (void)!::ftruncate(file, static_cast<off_t>(bytes->size() / 2));
        (void)!::pwrite(file, bytes->data(), bytes->size(), 0);
        ::close(file);
      }
    }
  });
  const Runtime runtime;
  for (int round = 0; round < 40; ++round) {
    try {
      const Model model = runtime.load(path, copied);
      CHECK(answers_of(model) == expected());
    } catch (const Error& error) {
      CHECK_THAT(error.message(), Contains("model.gguf"));
    }
  }
  writer = {};
  overwrite(path, whole);
  CHECK(answers_of(runtime.load(path, copied)) == expected());
}

TEST_CASE("fault 15: a copy counts as memory, and against the limit") {
  const Runtime runtime;
  const Checkpoint mapped = runtime.open(tiny_path(), {.copy = false}), copy = runtime.open(tiny_path(), copied);
  const std::size_t size = TinyModel{}.file().size();
  const auto bytes_of = [](const std::vector<ActorMemory>& actors, bool file_alone) {
    std::uint64_t sum = 0;
    for (const ActorMemory& actor : actors) sum += !file_alone || actor.actor == "file" ? actor.total() : 0;
    return sum;
  };
  const LoadOptions options{.threads = 1, .parallel = 1};
  LoadOptions with_copy = options;
  with_copy.copy = true;
  const Graph graph = mapped.expand(options);
  CHECK(bytes_of(mapped.memory(graph, options), true) == 0);
  CHECK(bytes_of(mapped.memory(graph, with_copy), true) == size);
  CHECK(bytes_of(copy.memory(graph, options), true) == size);

  with_copy.memory_limit = bytes_of(mapped.memory(graph, options), false) + size;
  CHECK_NOTHROW(runtime.load(tiny_path(), with_copy));
  CHECK_NOTHROW(runtime.load(mapped, with_copy));
  --with_copy.memory_limit;
  CHECK(error_of([&] { (void)runtime.load(tiny_path(), with_copy); }).code() == Code::out_of_memory);
  CHECK(error_of([&] { (void)runtime.load(mapped, graph, with_copy); }).code() == Code::out_of_memory);
  with_copy.copy = false;
  CHECK_NOTHROW(runtime.load(mapped, with_copy));
}

}  // namespace troupe::testing
