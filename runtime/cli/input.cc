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

}  // namespace

std::string read_file(const std::string& name) {
  if (name == "-") return read_all(stdin, "standard input");
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(name.c_str(), "rb"), std::fclose);
  if (!file) throw Error(Code::not_found, "cannot read " + name + ": " + std::strerror(errno));
  return read_all(file.get(), name);
}

std::vector<TokenId> parse_ids(std::string_view text) {
  constexpr std::string_view between = ", \t\r\n";
  std::vector<TokenId> ids;
  std::size_t start = text.find_first_not_of(between);
  while (start != std::string_view::npos) {
    const std::string_view word = text.substr(start, text.find_first_of(between, start) - start);
    TokenId id = 0;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || stop != word.data() + word.size() || id < 0) {
      throw Error(Code::invalid_argument, "id " + std::to_string(ids.size() + 1) + " is '" +
                                              std::string(word.substr(0, 32)) +
                                              "', not a whole number from 0 to 2147483647");
    }
    ids.push_back(id);
    start = text.find_first_not_of(between, start + word.size());
  }
  return ids;
}

}  // namespace troupe::cli
