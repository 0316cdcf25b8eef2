#include "runtime/cli/input.hpp"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>

namespace troupe::cli {
namespace {

constexpr std::size_t most_bytes = std::size_t{256} << 20;

std::string read_all(std::FILE* file, const std::string& name) {
  std::string bytes;
  char part[1 << 16];
  while (const std::size_t count = std::fread(part, 1, sizeof part, file)) {
    if (bytes.size() + count > most_bytes) throw Error(Code::invalid_argument, name + " is longer than 256 MiB");
    bytes.append(part, count);
  }
  if (std::ferror(file)) throw Error(Code::failed, "cannot read " + name + ": " + std::strerror(errno));
  return bytes;
}

constexpr std::string_view space = " \t\r\n";

[[noreturn]] void refuse_id(std::size_t place, std::string_view word) {
  throw Error(Code::invalid_argument, "id " + std::to_string(place + 1) + " is '" + std::string(word.substr(0, 32)) +
                                          "', not a whole number from 0 to 2147483647");
}

void append_ids(std::string_view text, std::vector<TokenId>& ids) {
  std::size_t start = text.find_first_not_of(space);
  while (start != text.npos) {
    const std::string_view word = text.substr(start, text.find_first_of(space, start) - start);
    TokenId id = 0;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || stop != word.data() + word.size() || id < 0) refuse_id(ids.size(), word);
    ids.push_back(id);
    start = text.find_first_not_of(space, start + word.size());
  }
}

}  // namespace

std::string read_file(const std::string& name) {
  if (name == "-") return read_all(stdin, "standard input");
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(name.c_str(), "rb"), std::fclose);
  if (!file) throw Error(Code::not_found, "cannot read " + name + ": " + std::strerror(errno));
  return read_all(file.get(), name);
}

void write_file(const std::string& name, std::string_view bytes) {
  std::FILE* const file = std::fopen(name.c_str(), "wb");
  bool written = file != nullptr && std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  written = (file == nullptr || std::fclose(file) == 0) && written;
  if (!written) throw Error(Code::failed, "cannot write " + name + ": " + std::strerror(errno));
}

std::vector<TokenId> parse_ids(std::string_view text) {
  std::vector<TokenId> ids;
  if (text.find_first_not_of(space) == text.npos) return ids;
  for (bool more = true; more;) {  // from comma to comma
    const std::size_t comma = text.find(',');
    more = comma != text.npos;
    const std::size_t before = ids.size();
    append_ids(text.substr(0, comma), ids);
    if (ids.size() == before) refuse_id(ids.size(), "");
    text.remove_prefix(more ? comma + 1 : text.size());
  }
  return ids;
}

}  // namespace troupe::cli
