#include <charconv>
#include <set>

#include "actors/host/open.hpp"
#include "tests/host/house.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

std::vector<std::string> parts_of(std::string_view values) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t bar = values.find('|');
    parts.emplace_back(values.substr(0, bar));
    if (bar == std::string_view::npos) return parts;
    values.remove_prefix(bar + 1);
  }
}

std::optional<float> as_number(const std::string& text) {
  float number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// Writes the value that a text stands for, by itself or in a list; no text stands for an empty list.
void write(GgufWriter& writer, const std::string& key, const std::string& value, bool listed) {
  const auto number = as_number(value);
  const bool truth = value == "true" || value == "false";
  if (value.empty()) {
    writer.strings(key, {});
  } else if (number && listed) {
    writer.numbers(key, ElementType::f32, std::vector<float>(3, *number));
  } else if (number) {
    writer.number(key, ElementType::f32, *number);
  } else if (truth && listed) {
    writer.numbers(key, ElementType::boolean, std::vector<std::uint8_t>(3, value == "true"));
  } else if (truth) {
    writer.boolean(key, value == "true");
  } else if (listed) {
    writer.strings(key, {value, value});
  } else {
    writer.string(key, value);
  }
}

/// Another value of the same type.
std::string other_than(const std::string& value) {
  if (as_number(value)) return "7.25";
  if (value == "true") return "false";
  return value == "false" ? "true" : "something else";
}

/// Opens the tiny model of an architecture with one more key, and a tokenizer of some kind.
struct Subject {
  std::string architecture = "llama";
  std::string tokenizer = "gpt2";

  [[nodiscard]] std::optional<Error> open(const std::string& key, const std::string& value, bool listed = false,
                                          const std::vector<std::string>& ignored = {}) const {
    TinyModel tiny{.layers = 1};
    tiny.architecture = architecture;
    tiny.tokenizer = [&] { return vocabulary(); };
    tiny.keys = [&](GgufWriter& writer) { write(writer, key, value, listed); };
    const MemoryFile file(tiny.file());
    LoadOptions options;
    options.ignore_keys = ignored;
    const auto opened = host::open_checkpoint(file.path(), plugins::builtin(), options);
    return opened ? std::nullopt : std::optional(opened.error());
  }

 private:
  [[nodiscard]] GgufWriter vocabulary() const {
    TinyVocabulary v = tokenizer == "llama" ? tiny_spm() : tiny_bpe();
    if (tokenizer == "gpt2") return v.bpe();
    if (tokenizer == "llama") {
      v.tokens.pop_back(), v.kinds.pop_back(), v.scores.pop_back();
      return v.spm();
    }
    GgufWriter writer;
    writer.string("tokenizer.ggml.model", tokenizer).strings("tokenizer.ggml.tokens", v.tokens);
    return writer.strings("tokenizer.ggml.merges", v.merges);
  }
};

void check_refused(const Subject& subject, const std::string& key, const std::string& value, bool listed = false) {
  INFO(key << " is " << value << (listed ? ", listed" : ""));
  const auto error = subject.open(key, value, listed);
  REQUIRE(error);
  CHECK(error->code() == Code::unsupported);
  CHECK_THAT(error->message(), Contains("\"" + key + "\"") && Contains(value) && Contains("--ignore-key " + key));
  CHECK_FALSE(subject.open(key, value, listed, {key}));
}

void check_neutral(const Subject& subject, const std::string& key, const KnownKey& known) {
  for (const std::string& value : parts_of(known.note)) {
    for (const bool listed : {false, true}) {
      INFO(key << " is " << value << (listed ? ", listed" : ""));
      const auto error = subject.open(key, value, listed);
      INFO((error ? error->message() : ""));
      CHECK_FALSE(error);
    }
    check_refused(subject, key, other_than(value));
    if (!value.empty()) check_refused(subject, key, other_than(value), true);
  }
}

void check_table(const Subject& subject, const std::string& prefix, std::span<const KnownKey> table) {
  REQUIRE_FALSE(table.empty());
  std::set<std::string_view> names;
  for (const KnownKey& known : table) {
    INFO(prefix << "." << known.name);
    CHECK(names.insert(known.name).second);
    std::string key = prefix + "." + std::string(known.name);
    if (key.ends_with('*')) key.back() = 'x';
    if (known.role == KnownKey::Role::neutral) check_neutral(subject, key, known);
    if (known.role != KnownKey::Role::harmless) continue;
    CHECK_FALSE(known.note.empty());
    for (const char* value : {"7.25", "true", "something else", ""}) CHECK_FALSE(subject.open(key, value));
  }
  CHECK(std::any_of(table.begin(), table.end(), [](const KnownKey& k) { return k.role == KnownKey::Role::used; }));
  for (const char* made_up : {"made_up", "rope.made_up", "", "block_count.", "Block_Count"}) {
    for (const char* value : {"7.25", "0", "true", "something else"}) {
      check_refused(subject, prefix + "." + made_up, value);
    }
  }
}

}  // namespace

TEST_CASE("fault 8: every architecture has a table of the keys that it knows, and keeps to it", "[bad-input]") {
  for (const Architecture* architecture : plugins::builtin().architectures) {
    INFO(architecture->name);
    const Subject subject{std::string(architecture->name)};
    CHECK_FALSE(subject.open("general.made_up", "something else"));  // TinyModel knows this architecture
    check_table(subject, subject.architecture, architecture->keys);
  }
}

TEST_CASE("fault 8: every kind of tokenizer has a table of the keys that it knows, and keeps to it", "[bad-input]") {
  for (const TokenizerFormat* format : plugins::builtin().tokenizers) {
    INFO(format->name);
    check_table({"llama", std::string(format->name)}, "tokenizer", format->keys);
  }
}

TEST_CASE("fault 8: a line names many keys, and no more than it can hold", "[bad-input]") {
  TinyModel tiny{.layers = 1};
  tiny.keys = [](GgufWriter& writer) {
    for (int i = 0; i < 1000; ++i) writer.string("llama.made\nup" + std::to_string(i), std::string(1000, 'x'));
    writer.number("llama.not_a_number", ElementType::f32, std::nanf(""));
  };
  const MemoryFile file(tiny.file());
  const Error error = error_of([&] { (void)Runtime().open(file.path()); });
  CHECK(error.code() == Code::unsupported);
  CHECK(error.message().size() < 2500);
  CHECK_THAT(error.message(), Contains("llama.made\\x0aup7\"") && Contains("and 993 more"));
}

}  // namespace troupe::testing
