// What is given as a model's path, and is none: nothing of it is waited for, and why it is refused is told apart.
#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "tests/host/house.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

void check_refused(const std::string& path, Code code, const std::string& part) {
  CAPTURE(path, part);
  const Runtime runtime;
  for (const std::optional<bool> copy : {std::optional<bool>(), std::optional(true), std::optional(false)}) {
    const Error error = error_of([&] { (void)runtime.open(path, {.copy = copy}); });
    CHECK(error.code() == code);
    CHECK_THAT(error.message(), Contains(part));
  }
}

/// A socket that listens at a path.
int listen_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE(path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return descriptor;
}

}  // namespace

TEST_CASE("fault 16: pipes, sockets, devices and folders are refused, none is waited for", "[bad-input]") {
  const TemporaryFolder folder;
  const std::string pipe = folder.at("pipe"), socket = folder.at("socket");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  check_refused(pipe, Code::bad_file, "is a pipe");
  const int silent = ::open(pipe.c_str(), O_RDWR | O_CLOEXEC);
  check_refused(pipe, Code::bad_file, "is a pipe");
  ::close(silent);
  const int listener = listen_at(socket);
  check_refused(socket, Code::bad_file, "is a socket");
  ::close(listener);
  check_refused(socket, Code::bad_file, "is a socket");
  check_refused("/dev/null", Code::bad_file, "is a device");
  check_refused("/dev/zero", Code::bad_file, "is a device");
  check_refused(folder.at("."), Code::bad_file, "is a folder");
  check_refused("/proc/self/fd/", Code::bad_file, "is a folder");

  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  check_refused("/proc/self/fd/" + std::to_string(ends[0]), Code::bad_file, "is a pipe");
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("fault 16: a link to a pipe is a pipe, a link to a model a model", "[bad-input]") {
  const TemporaryFolder folder;
  const std::string pipe = folder.at("pipe"), link = folder.at("link"), model = folder.at("model");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  REQUIRE(::symlink(pipe.c_str(), link.c_str()) == 0);
  check_refused(link, Code::bad_file, "is a pipe");
  REQUIRE(::symlink(folder.write("file", TinyModel{}.file()).c_str(), model.c_str()) == 0);
  CHECK(Runtime().open(model).layers() == 4);
}

TEST_CASE("fault 16: why there is no file to open is told apart", "[bad-input]") {
  const TemporaryFolder folder;
  const std::string file = folder.write("file", "text");
  check_refused(folder.at("none"), Code::not_found, "there is no such file");
  check_refused(folder.at("none/model.gguf"), Code::not_found, "there is no such file");
  check_refused(file + "/model.gguf", Code::not_found, "is no folder");
  check_refused(file + "/", Code::not_found, "is no folder");

  REQUIRE(::symlink("nowhere", folder.at("dangling").c_str()) == 0);
  check_refused(folder.at("dangling"), Code::not_found, "is a link to a file that is not there");
  REQUIRE(::symlink("b", folder.at("a").c_str()) == 0);
  REQUIRE(::symlink("a", folder.at("b").c_str()) == 0);
  check_refused(folder.at("a"), Code::not_found, "loop of links");

  check_refused(folder.at(std::string(300, 'n')), Code::invalid_argument, "too long");
  check_refused(folder.at(std::string(5000, 'n')), Code::invalid_argument, "too long");
  check_refused("", Code::invalid_argument, "the path is empty");
  check_refused(file + std::string(1, '\0') + ".gguf", Code::invalid_argument, "NUL");
  check_refused(folder.at("a\nb\x1b[2J"), Code::not_found, R"(a\x0ab\x1b[2J")");
}

TEST_CASE("fault 16: a file that may not be read is told from one that is not there", "[bad-input]") {
  const TemporaryFolder folder;
  const std::string file = folder.write("secret", TinyModel{}.file());
  REQUIRE(::chmod(file.c_str(), 0) == 0);
  const int nobody = 65534;
  const int self = ::setfsuid(nobody);  // of this thread alone; root may read everything
  const bool may_not = !std::ifstream(file).is_open();
  if (may_not) {
    check_refused(file, Code::failed, "may not be read");
  } else {
    WARN("skipped: this user may read every file");
  }
  ::setfsuid(static_cast<uid_t>(self));
}

TEST_CASE("fault 16: files without bytes, and those of /proc, are no models", "[bad-input]") {
  const TemporaryFolder folder;
  check_refused(folder.write("empty", ""), Code::bad_file, "is empty");
  check_refused("/proc/cpuinfo", Code::bad_file, "is empty");
  check_refused("/proc/self/mem", Code::bad_file, "is empty");
}

TEST_CASE("fault 16: what a model's file and its tensors are called stays on its line", "[bad-input]") {
  const TemporaryFolder folder;
  const auto check = [&](const GgufWriter& writer, const std::string& part) {
    const std::string path = folder.write("a\nb", writer.file(64));
    const Error error = error_of([&] { (void)Runtime().open(path); });  // error_of wants one line
    CHECK_THAT(error.message(), Contains(part));
  };
  const auto tensor = [](GgufWriter writer) { return writer.tensor("w", {1}, 0, 0); };
  check(tensor(GgufWriter().string("general.architecture", "a\nb")), R"("a\x0ab" is not supported)");
  check(tensor(GgufWriter().string("general.architecture", "llama")), "llama.block_count");
}

}  // namespace troupe::testing
