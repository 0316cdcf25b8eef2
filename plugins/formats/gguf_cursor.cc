#include "plugins/formats/gguf_cursor.hpp"

#include "runtime/text/utf8.hpp"

namespace troupe::plugins {

void GgufCursor::fail(Code code, std::uint64_t at, std::string_view field, const std::string& found,
                      const std::string& expected) {
  if (error_) return;
  std::string where = quoted(path_) + ": ";
  if (kind_ != nullptr) where += std::string(kind_) + " " + quoted(name_) + ", ";
  where += field;
  error_.emplace(code, where + " at byte " + std::to_string(at) + ": found " + found + ", expected " + expected);
}

std::uint64_t GgufCursor::count(std::string_view field, std::uint64_t each, std::uint64_t limit) {
  const std::uint64_t start = at_;
  const auto number = this->number<std::uint64_t>(field);
  if (const std::uint64_t room = left() / each; number > room) {
    fail(Code::bad_file, start, field, std::to_string(number),
         "at most " + std::to_string(room) + ", which the rest of the file has room for; is it cut short?");
  } else if (number > limit) {
    fail(Code::unsupported, start, field, std::to_string(number), "at most " + std::to_string(limit));
  }
  return failed() ? 0 : number;
}

std::string_view GgufCursor::string(std::string_view field) {
  const std::uint64_t length = count(field, 1, UINT64_MAX);
  const std::span<const std::byte> bytes = take(field, length);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::span<const std::byte> GgufCursor::take(std::string_view field, std::uint64_t size) {
  if (size > left()) {
    fail(Code::bad_file, at_, field, "the file's end after " + std::to_string(left()) + " bytes",
         std::to_string(size) + " bytes");
  }
  if (failed()) return {};
  const std::span<const std::byte> bytes = file_.subspan(at_, size);
  at_ += size;
  return bytes;
}

}  // namespace troupe::plugins
