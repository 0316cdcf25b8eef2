#include <clocale>

#include "tests/host/staged_graph.hpp"
#include "tests/locale.hpp"

// What the API says in words and numbers: whole, and the same under any locale of the host.

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

/// A text of many lines, with all that a terminal would rather not see.
const std::string chat_template = [] {
  std::string text = "{% for message in messages %}\n\t\x1b[31m\"";
  for (int i = 0; i < 100; ++i) text += "naïve \xF0\x9F\x98\x80 \xC2\x9B\r\n";
  return text;
}();

std::string file_with_keys() {
  TinyModel model;
  model.keys = [](GgufWriter& writer) {
    writer.string("test.template", chat_template)
        .string("test.empty", "")
        .number("test.u64", ElementType::u64, UINT64_MAX)
        .number("test.i64", ElementType::i64, INT64_MIN)
        .number("test.u8", ElementType::u8, std::uint8_t{65})
        .number("test.i32", ElementType::i32, -1234567)
        .number("test.f32", ElementType::f32, 1e-5F)
        .number("test.million", ElementType::f32, 1234567.0F)
        .number("test.f64", ElementType::f64, 3.141592653589793)
        .number("test.tenth", ElementType::f64, 0.1)
        .boolean("test.yes", true)
        .boolean("test.no", false)
        .numbers("test.many", ElementType::i32, std::vector<std::int32_t>(12345, 1));
  };
  return model.file();
}

std::map<std::string, std::string> metadata_of(const Checkpoint& checkpoint) {
  std::map<std::string, std::string> entries;
  for (const auto& [key, value] : checkpoint.metadata()) entries[key] = value;
  return entries;
}

void check_metadata(std::map<std::string, std::string> said) {
  CHECK(said["test.template"] == chat_template);
  CHECK(said["test.empty"].empty());
  CHECK(said["test.u64"] == "18446744073709551615");
  CHECK(said["test.i64"] == "-9223372036854775808");
  CHECK(said["test.u8"] == "65");
  CHECK(said["test.i32"] == "-1234567");
  CHECK(said["test.f32"] == "1e-05");
  CHECK(said["test.million"] == "1234567");
  CHECK(said["test.f64"] == "3.141592653589793");
  CHECK(said["test.tenth"] == "0.1");
  CHECK(said["test.yes"] == "true");
  CHECK(said["test.no"] == "false");
  CHECK(said["test.many"] == "[12345 entries]");
}

}  // namespace

TEST_CASE("fault 19: metadata comes whole, under any locale of the host") {
  const MemoryFile file(file_with_keys());
  const Checkpoint checkpoint = Runtime().open(file.path());
  check_metadata(metadata_of(checkpoint));
  const ForeignLocale foreign;
  check_metadata(metadata_of(checkpoint));
}

TEST_CASE("fault 19: programs, graphs and errors read the same under any locale of the host") {
  const Runtime runtime;
  const Checkpoint checkpoint = runtime.open(tiny_path());
  const auto all_texts = [&] {
    const Graph graph = checkpoint.expand({.plan = "pp2.tp2"});
    std::vector<std::string> texts = checkpoint.plans(8);
    texts.push_back(checkpoint.program(graph, "r0.s1.t0", {.context = 256}));
    texts.push_back(to_toml(graph));
    texts.push_back(to_dot(graph));
    texts.push_back(error_of([&] { (void)checkpoint.expand({.context = 1234567}); }).message());
    texts.push_back(error_of([&] { (void)runtime.load(checkpoint, {.memory_limit = 12345}); }).message());
    texts.push_back(error_of([&] { (void)checkpoint.expand({.plan = "tp1234"}); }).message());
    texts.push_back(error_of([&] { (void)checkpoint.detokenize(Ids{1234567}); }).message());
    texts.push_back(error_of([&] { (void)parse_graph("version = 1.5\n"); }).message());
    return texts;
  };
  const auto expected = all_texts();
  CHECK_THAT(expected[expected.size() - 8], Contains("logits[272 f32]"));
  const ForeignLocale foreign;
  CHECK(all_texts() == expected);
}

}  // namespace troupe::testing
