#include "troupe/chat.hpp"

#include "tests/host/house.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

const std::string hello = R"([{"role": "user", "content": "Hello"}])";

/// What a file says of conversations that has this chat template; with none where it is empty.
ChatFormat format_with(const std::string& chat_template) {
  TinyModel tiny{.layers = 1};
  tiny.keys = [&](GgufWriter& writer) {
    if (!chat_template.empty()) writer.string("tokenizer.chat_template", chat_template);
    writer.number("tokenizer.ggml.bos_token_id", ElementType::u32, 264U);
  };
  const MemoryFile file(tiny.file());
  return chat_format(Runtime().open_tokenizer(file.path()));
}

TEST_CASE("a file's own template renders conversations, with its tokens") {
  const ChatFormat format = format_with("{{ bos_token }}{{ messages[0].content }}{{ eos_token }}");
  CHECK(format.warning.empty());
  CHECK(format.bos_token == "<|im_start|>");
  CHECK(render_chat(format, hello) == "<|im_start|>Hello<|im_end|>");
}

TEST_CASE("without a template, or with a broken one, a file is taken to be ChatML, and says so") {
  for (const std::string broken : {"", "{% if %}", "{{ '"}) {
    const ChatFormat format = format_with(broken);
    CHECK_THAT(format.warning, Contains("ChatML") && Contains(broken.empty() ? "no chat template" : "line 1, column"));
    CHECK(render_chat(format, hello) == "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n");
    CHECK(render_chat(format, hello, {.generation_prompt = false}) == "<|im_start|>user\nHello<|im_end|>\n");
  }
}

TEST_CASE("templates get tools and the day") {
  const ChatFormat format{.chat_template = "{{ tools[0].name }} {{ strftime_now('%A %d %B %Y') }}"};
  CHECK(render_chat(format, hello, {.tools = R"([{"name": "f"}])", .date = "2026-01-31"}) ==
        "f Saturday 31 January 2026");
  CHECK(render_chat({.chat_template = "{{ strftime_now('%a %j') }}"}, hello, {.date = "2024-12-31"}) == "Tue 366");
  CHECK(render_chat({.chat_template = "{{ strftime_now('%Y')|length }}"}, hello) == "4");
}

TEST_CASE("what cannot be rendered is said", "[bad-input]") {
  for (const std::string date : {"2026-02-30", "2026-1-1", "today", "2026/01/31", "-026-01-31", "2026-00-10"}) {
    const Error error = error_of([&] { (void)render_chat({.chat_template = "x"}, hello, {.date = date}); });
    CHECK(error.code() == Code::invalid_argument);
    CHECK_THAT(error.message(), Contains(date) && Contains("2026-01-31"));
  }
  const auto code = [](const std::string& text, const std::string& messages) {
    return error_of([&] { (void)render_chat({.chat_template = text}, messages); }).code();
  };
  CHECK(code("{% if %}", hello) == Code::bad_file);
  CHECK(code("{% call f() %}", hello) == Code::unsupported);
  CHECK(code("{{ raise_exception('no') }}", hello) == Code::invalid_argument);
  CHECK(code("{{ 1 + 'a' }}", hello) == Code::failed);
  CHECK(code("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}", hello) ==
        Code::failed);
  CHECK(code("x", "[{}]") == Code::invalid_argument);
  CHECK_THAT(error_of([&] { (void)chat_format(Checkpoint(nullptr)); }).message(), Contains("checkpoint"));
}

}  // namespace
}  // namespace troupe::testing
