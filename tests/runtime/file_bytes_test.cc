#include "runtime/model/file_bytes.hpp"

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstring>
#include <limits>
#include <set>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/temporary_folder.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

/// What a file's reads give one after the other: a number of bytes, or an error below zero.
ReadAt reads(std::vector<ssize_t> results) {
  return [results = std::move(results), next = std::size_t{0}](std::span<std::byte> into, std::size_t offset) mutable {
    if (next == results.size()) return ssize_t{0};
    const ssize_t result = results[next++];
    if (result < 0) errno = static_cast<int>(-result);
    for (ssize_t i = 0; i < result; ++i) into[static_cast<std::size_t>(i)] = static_cast<std::byte>(offset + i);
    return result < 0 ? ssize_t{-1} : result;
  };
}

}  // namespace

TEST_CASE("fault 15: a file is read in as many parts as it comes in") {
  std::vector<std::byte> bytes(200);
  REQUIRE(read_whole("f", reads({1, -EINTR, 99, -EINTR, -EINTR, 100}), bytes).ok());
  for (std::size_t i = 0; i < bytes.size(); ++i) REQUIRE(bytes[i] == static_cast<std::byte>(i));
  CHECK(read_whole("f", reads({}), {}).ok());
}

TEST_CASE("fault 15: a file that ends or fails while it is read is an error", "[bad-input]") {
  std::vector<std::byte> bytes(200);
  const auto cut = read_whole("f", reads({150, 0}), bytes);
  REQUIRE_FALSE(cut.ok());
  CHECK(cut.error().code() == Code::bad_file);
  CHECK_THAT(cut.error().message(), Contains("\"f\": ended after 150 of its 200 bytes"));
  const auto failed = read_whole("f", reads({150, -EIO}), bytes);
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().code() == Code::failed);
  CHECK_THAT(failed.error().message(), Contains("its disk or network failed"));
  CHECK_THAT(read_whole("f", reads({-ESTALE}), bytes).error().message(), Contains("file server"));
}

TEST_CASE("fault 15: a copy and a mapping have the same bytes") {
  const TemporaryFolder folder;
  std::string content(3'000'001, 'x');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7 + i / 251);
  const std::string path = folder.write("file", content);
  const auto mapped = FileBytes::open(path, false).value(), copied = FileBytes::open(path, true).value(),
             later = mapped->copied().value();
  CHECK((mapped->is_mapped() && !copied->is_mapped() && !later->is_mapped()));
  CHECK((mapped->copied_bytes() == 0 && copied->copied_bytes() == content.size()));
  for (const auto& file : {mapped, copied, later}) {
    REQUIRE(file->bytes().size() == content.size());
    CHECK(std::memcmp(file->bytes().data(), content.data(), content.size()) == 0);
    CHECK(file->path() == path);
  }
  const auto lent = FileBytes::lend("memory", std::as_bytes(std::span(content)));
  CHECK((lent->bytes().size() == content.size() && !lent->is_mapped() && lent->copied_bytes() == 0));
}

TEST_CASE("fault 15: a file may have been written at any time") {
  const TemporaryFolder folder;
  const std::string path = folder.write("file", "text");
  constexpr long never = std::numeric_limits<long>::max(), most = 15'000'000'000;  // in the year 2445
  for (const long seconds : {0L, -most, most, never, -never}) {
    const timespec times[2] = {{0, UTIME_OMIT}, {seconds, 999'999'999}};
    REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
    CHECK(FileBytes::open(path, true).value()->bytes().size() == 4);
    CHECK(FileBytes::open(path, false).value()->copied().value()->bytes().size() == 4);
  }
}

TEST_CASE("fault 15: a copy leaves no file open, a mapping closes its own") {
  const TemporaryFolder folder;
  const std::string path = folder.write("file", "text");
  const auto open_files = [&] {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      if (std::filesystem::read_symlink(entry.path(), gone) == path) ++count;
    }
    return count;
  };
  const auto copied = FileBytes::open(path, true).value();
  CHECK(open_files() == 0);
  (void)FileBytes::open(path, false).value();
  CHECK(open_files() == 0);
}

TEST_CASE("fault 15: file systems that others write to are known by their numbers") {
  constexpr std::uint64_t shared[] = {0x6969,     0x517B,     0xFF534D42, 0xFE534D42, 0x65735546, 0x01021997,
                                      0x5346414F, 0x6B414653, 0x00C36400, 0x0BD00BD0, 0x01161970, 0x7461636F};
  for (const std::uint64_t type : shared) {
    CHECK(is_shared_file_system(type));
    // As a signed 32-bit f_type comes when it is widened.
    CHECK(
        is_shared_file_system(static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(type)))));
  }
  constexpr std::uint64_t local[] = {0xEF53,     0x01021994, 0x9123683E, 0x58465342, 0x794C7630,
                                     0x2FC12FC1, 0xF2F52010, 0x4D44,     0x9FA0,     0};
  for (const std::uint64_t type : local) CHECK_FALSE(is_shared_file_system(type));
}

TEST_CASE("fault 16: every reason that there is nothing to open has its own words", "[bad-input]") {
  std::set<std::string> seen;
  for (const int reason : {ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EACCES, EPERM, ENXIO, EMFILE, ENFILE, ENOMEM, EIO,
                           ESTALE, EAGAIN, ENODEV, ETXTBSY}) {
    const Error error = file_error("a\nfile", reason);
    INFO(error.message());
    CHECK(error.message().starts_with("\"a\\x0afile\": "));
    CHECK(error.message().find('\n') == std::string::npos);
    CHECK(seen.insert(error.message()).second);
  }
  CHECK(file_error("f", ENOENT).code() == Code::not_found);
  CHECK(file_error("f", ENOMEM).code() == Code::out_of_memory);
  CHECK(file_error("f", ENAMETOOLONG).code() == Code::invalid_argument);
  CHECK(file_error("f", EACCES).code() == Code::failed);
}

TEST_CASE("fault 16: too many open files are said to be too many", "[bad-input]") {
  const TemporaryFolder folder;
  const std::string path = folder.write("file", "text");
  rlimit usual{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &usual) == 0);
  const rlimit none{0, usual.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  const auto opened = FileBytes::open(path);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &usual) == 0);
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().code() == Code::failed);
  CHECK_THAT(opened.error().message(), Contains("as many files open as it may"));
}

}  // namespace troupe::testing
