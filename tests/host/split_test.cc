// Models in several files, as llama.cpp's gguf-split makes them.
#include <fcntl.h>
#include <unistd.h>

#include <thread>

#include "tests/host/house.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

std::string part_name(std::size_t number, std::size_t count) {
  return "m-0000" + std::to_string(number) + "-of-0000" + std::to_string(count) + ".gguf";
}

/// Parts beside each other on the disk.
class OnDisk {
 public:
  explicit OnDisk(const std::vector<std::string>& parts) : count_(parts.size()) {
    for (std::size_t i = 0; i < count_; ++i) write(i + 1, parts[i]);
  }
  void write(std::size_t number, const std::string& bytes) const { folder_.write(part_name(number, count_), bytes); }
  void remove(std::size_t number) const { REQUIRE(std::filesystem::remove(path(number))); }
  [[nodiscard]] std::string path(std::size_t number = 1) const { return folder_.at(part_name(number, count_)); }
  [[nodiscard]] const TemporaryFolder& folder() const { return folder_; }

 private:
  TemporaryFolder folder_;
  std::size_t count_;
};

std::vector<float> logits_of(const Model& model) { return logits_of_two_blocks(model); }

const std::vector<float>& expected() {
  static const std::vector<float> logits = logits_of(Runtime().load(tiny_path(), {.threads = 1}));
  return logits;
}

std::uint64_t bytes_of_files(const Checkpoint& checkpoint, const LoadOptions& options) {
  std::uint64_t bytes = 0;
  for (const ActorMemory& actor : checkpoint.memory(checkpoint.expand(options), options)) {
    bytes += actor.actor == "file" ? actor.total() : 0;
  }
  return bytes;
}

bool is_mapped(const std::string& folder) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(folder) != std::string::npos) return true;
  }
  return false;
}

GgufWriter split(std::uint16_t number, std::uint16_t count, std::int32_t tensors) {
  GgufWriter writer;
  writer.number("split.no", ElementType::u16, number).number("split.count", ElementType::u16, count);
  writer.number("split.tensors.count", ElementType::i32, tensors);
  return writer;
}

std::string with_tensor(GgufWriter writer, const char* name) { return writer.tensor(name, {1}, 0, 0).file(4); }

Error refusal(const std::string& path) {
  return error_of([&] { (void)Runtime().open(path); });
}

void check_refused(const OnDisk& parts, Code code, const std::string& what) {
  const Error error = refusal(parts.path());
  CHECK(error.code() == code);
  CHECK_THAT(error.message(), Contains(what));
}

}  // namespace

TEST_CASE("a model in parts gives the bits of the whole, mapped and copied") {
  const Runtime runtime;
  const std::size_t tensors = runtime.open(tiny_path()).tensors().size();
  for (const std::uint16_t count : {2, 3, 9}) {
    for (const std::optional<bool> copy : {std::optional<bool>(), std::optional(false), std::optional(true)}) {
      CAPTURE(count);
      const OnDisk parts(TinyModel{}.parts(count));
      const Checkpoint checkpoint = runtime.open(parts.path(), {.copy = copy});
      CHECK(checkpoint.tensors().size() == tensors);
      CHECK(checkpoint.metadata()[0].second == "GGUF v3, " + std::to_string(count) + " parts");
      const Model model = runtime.load(checkpoint, {.plan = "pp2", .threads = 1});
      CHECK(logits_of(model) == expected());
    }
  }
}

TEST_CASE("all parts are counted, copied and let go of") {
  const Runtime runtime;
  const std::vector<std::string> bytes = TinyModel{}.parts(3);
  const OnDisk parts(bytes);
  const LoadOptions copied{.threads = 1, .copy = true};
  std::optional<Checkpoint> checkpoint = runtime.open(parts.path(), {.copy = false});
  CHECK(bytes_of_files(*checkpoint, {.threads = 1}) == 0);
  CHECK(bytes_of_files(*checkpoint, copied) == bytes[0].size() + bytes[1].size() + bytes[2].size());
  CHECK(bytes_of_files(runtime.open(parts.path(), copied), {}) == bytes_of_files(*checkpoint, copied));
  const Model model = runtime.load(*checkpoint, copied);
  CHECK(is_mapped(parts.folder().at("")));
  checkpoint.reset();
  CHECK_FALSE(is_mapped(parts.folder().at("")));
  for (const std::size_t part : {1, 2, 3}) parts.remove(part);
  CHECK(logits_of(model) == expected());
}

TEST_CASE("a first part may have the keys alone") {
  TinyModel model;
  std::vector<std::string> two = model.parts(1);
  model.keys = [](GgufWriter& writer) {
    writer.number("split.no", ElementType::u16, std::uint16_t{0});
    writer.number("split.count", ElementType::u16, std::uint16_t{2});
    writer.number("split.tensors.count", ElementType::i32, 39);
  };
  // The second part is the whole model, which calls itself the second: all that it says is what the first says.
  const std::string whole = model.file();
  std::string second = whole, first = whole;
  const std::size_t number = second.find("split.no") + 8 + 4;
  second[number] = 1;
  const std::uint64_t none = 0;
  std::memcpy(first.data() + 8, &none, sizeof none);  // tensors
  const OnDisk parts({first, second});
  CHECK(logits_of(Runtime().load(parts.path(), {.threads = 1})) == expected());
}

TEST_CASE("fault 19: of missing parts all are named", "[bad-input]") {
  const OnDisk parts(TinyModel{}.parts(4));
  parts.remove(2);
  parts.remove(4);
  const Error error = refusal(parts.path());
  CHECK(error.code() == Code::not_found);
  CHECK_THAT(error.message(), Contains(part_name(2, 4)) && Contains(part_name(4, 4)) && !Contains(part_name(3, 4)));
  const TemporaryFolder folder;
  const std::string first = folder.write("x-00001-of-60000.gguf", with_tensor(split(0, 60000, 1), "t"));
  CHECK_THAT(refusal(first).message(), Contains("x-00009-of-60000") && Contains("and 59991 more"));
}

TEST_CASE("fault 19: who opens a later part is told the first", "[bad-input]") {
  const std::vector<std::string> bytes = TinyModel{}.parts(3);
  const OnDisk parts(bytes);
  const Runtime runtime;
  for (const Error& error : {error_of([&] { (void)runtime.open(parts.path(2)); }),
                             error_of([&] { (void)runtime.open_tokenizer(parts.path(2)); })}) {
    CHECK(error.code() == Code::unsupported);
    CHECK_THAT(error.message(),
               Contains("is part 2 of 3") && Contains("open the first, \"") && Contains(part_name(1, 3) + "\""));
  }
  const FileInMemory third{.bytes = std::as_bytes(std::span(bytes[2]))};
  CHECK_THAT(error_of([&] { (void)runtime.open(third); }).message(),
             Contains("is part 3 of 3") && Contains("the first part"));
}

TEST_CASE("fault 19: a first part that is no path cannot find the others, but has the tokenizer", "[bad-input]") {
  const std::vector<std::string> bytes = TinyModel{}.parts(2);
  const Runtime runtime;
  const FileInMemory memory{.bytes = std::as_bytes(std::span(bytes[0]))};
  const MemoryFile file(bytes[0]);
  const int descriptor = ::open(file.path().c_str(), O_RDONLY | O_CLOEXEC);
  for (const ModelSource& source : {ModelSource(memory), ModelSource(FileDescriptor{.number = descriptor})}) {
    const Error error = error_of([&] { (void)runtime.open(source); });
    CHECK(error.code() == Code::unsupported);
    CHECK_THAT(error.message(), Contains("is part 1 of 2") && Contains("by its path") && Contains("--merge"));
    CHECK(runtime.open_tokenizer(source).tokenize("hello") == runtime.open(tiny_path()).tokenize("hello"));
  }
  ::close(descriptor);
  CHECK_THAT(refusal(file.path()).message(), Contains("ends in \"-00001-of-00002.gguf\""));
}

TEST_CASE("fault 19: parts that do not agree are refused", "[bad-input]") {
  const std::vector<std::string> bytes = TinyModel{}.parts(3);
  OnDisk parts(bytes);
  parts.write(2, bytes[2]);
  check_refused(parts, Code::bad_file, "says that it is part 3 of 3; expected part 2 of 3");
  parts.write(2, TinyModel{}.parts(4)[1]);
  check_refused(parts, Code::bad_file, "says that it is part 2 of 4; expected part 2 of 3");
  parts.write(2, TinyModel{.layers = 5}.parts(3)[1]);
  check_refused(parts, Code::bad_file, "\"split.tensors.count\" is 48, in ");
  parts.write(2, TinyModel{}.file());
  check_refused(parts, Code::bad_file, "says that it is part 1 of 1; expected part 2 of 3");
  parts.write(2, bytes[1].substr(0, bytes[1].size() / 2));
  check_refused(parts, Code::bad_file, part_name(2, 3) + "\": tensor");
  parts.write(2, "just text");
  check_refused(parts, Code::bad_file, part_name(2, 3));

  const auto two = [](const std::string& first, const std::string& second) { return OnDisk({first, second}); };
  const std::string t = with_tensor(split(0, 2, 2), "t");
  check_refused(two(t, with_tensor(split(1, 2, 2), "t")), Code::bad_file, "tensor \"t\" is in two");
  check_refused(two(with_tensor(split(0, 2, 3), "t"), with_tensor(split(1, 2, 3), "u")), Code::bad_file,
                "have 2 tensors in all; split.tensors.count is 3");
  GgufWriter other = split(1, 2, 2);
  other.number("llama.rope.freq_base", ElementType::f32, 5.0F);
  check_refused(two(t, with_tensor(other, "u")), Code::bad_file, "\"llama.rope.freq_base\" is 5");
  check_refused(OnDisk({with_tensor(split(7, 3, 2), "t")}), Code::bad_file, "split.no is 7 and split.count 3");
  GgufWriter negative;
  negative.number("split.count", ElementType::i32, -2);
  check_refused(OnDisk({with_tensor(negative, "t")}), Code::bad_file, "\"split.count\" is a negative integer");
}

}  // namespace troupe::testing
