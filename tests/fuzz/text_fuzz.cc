// Any bytes as a name or a message: what is made of them for people is whole UTF-8 on one line.
#include "tests/fuzz/fuzz.hpp"

namespace troupe::testing {
namespace {

void show(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const Utf8Char c = first_char(text.substr(at));
    check(c.length >= 1 && c.length <= 4 && c.length <= text.size() - at);
    check(c.kind != Utf8Char::Kind::valid || c.code <= 0x10FFFF);
    check(c.kind != Utf8Char::Kind::incomplete || at + c.length == text.size());
    at += c.length;
  }
  const std::string name = quoted(text), line = on_one_line(text);
  check(name.size() >= 2 && name.front() == '"' && name.back() == '"');
  check_error({Code::failed, name});
  check_error({Code::failed, "." + line});
  check(on_one_line(line) == line);
}

}  // namespace
}  // namespace troupe::testing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  troupe::testing::show(troupe::testing::text_of(data, size));
  return 0;
}
