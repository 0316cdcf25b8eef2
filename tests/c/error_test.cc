#include <cstring>
#include <vector>

#include "tests/c/c_api.hpp"

namespace troupe::testing {

TEST_CASE("C: statuses have the names of the codes") {
  CHECK(std::string(troupe_status_name(TROUPE_OK)) == "ok");
  CHECK(std::string(troupe_status_name(TROUPE_INVALID_ARGUMENT)) == "invalid argument");
  CHECK(std::string(troupe_status_name(TROUPE_FAILED)) == "failed");
  CHECK(std::string(troupe_status_name(TROUPE_END)) == "end");
  CHECK(std::string(troupe_status_name(TROUPE_NOT_YET)) == "not yet");
  for (const troupe_status none : {-3, 12, 1000, -1000, INT32_MIN, INT32_MAX}) {
    CHECK(std::string(troupe_status_name(none)) == "unknown status");
  }
  CHECK(std::string(troupe_version()) == std::to_string(TROUPE_VERSION_MAJOR) + "." +
                                             std::to_string(TROUPE_VERSION_MINOR) + "." +
                                             std::to_string(TROUPE_VERSION_PATCH));
  CHECK(troupe_version_number() == TROUPE_VERSION_NUMBER);
}

TEST_CASE("C: an error says what the last call that got it came to") {
  Said said;
  troupe_checkpoint* none = nullptr;
  const HeldRuntime runtime = new_runtime();
  CHECK(troupe_checkpoint_open(runtime, "/no/such/file", nullptr, &none, said) == TROUPE_NOT_FOUND);
  CHECK(said.status() == TROUPE_NOT_FOUND);
  CHECK(said.message().find("/no/such/file") != std::string::npos);
  CHECK(none == nullptr);
  HeldCheckpoint checkpoint;
  CHECK(troupe_checkpoint_open(runtime, tiny_path().c_str(), nullptr, checkpoint.out(), said) == TROUPE_OK);
  CHECK(said.status() == TROUPE_OK);
  CHECK(said.message().empty());
  CHECK(troupe_checkpoint_open(runtime, "/no/such/file", nullptr, &none, nullptr) == TROUPE_NOT_FOUND);
}

TEST_CASE("C: an error's line is cut to the room that it has, at a character's end") {
  const std::string message = "a\xC3\xA9z";  // 4 bytes
  for (std::size_t size = 0; size <= 40; ++size) {
    std::vector<char> memory(64, '#');
    auto* const error = reinterpret_cast<troupe_error*>(memory.data());
    error->size = size;
    CHECK(troupe_error_set(error, TROUPE_DEADLINE, message.c_str()) == TROUPE_DEADLINE);
    INFO("size " << size);
    const std::size_t behind = std::max(size, sizeof(std::size_t));
    CHECK(std::string(memory.begin() + behind, memory.end()) == std::string(memory.size() - behind, '#'));
    if (size < offsetof(troupe_error, message)) continue;
    CHECK(error->status == TROUPE_DEADLINE);
    const std::size_t room = size - offsetof(troupe_error, message);
    if (room == 0) continue;
    CHECK(std::string(error->message) == message.substr(0, room > 4 ? 4 : room == 4 ? 3 : room > 1 ? 1 : 0));
  }
  Said said;
  CHECK(troupe_error_set(said, TROUPE_ABORTED, nullptr) == TROUPE_ABORTED);
  CHECK(said.message().empty());
  CHECK(troupe_error_set(nullptr, TROUPE_ABORTED, "a") == TROUPE_ABORTED);
}

TEST_CASE("C: who needs longer lines gives more room") {
  const std::string line(5000, 'a');
  const auto kept = [&](std::size_t size) {
    std::vector<std::uint64_t> memory(size / sizeof(std::uint64_t));
    auto* const error = reinterpret_cast<troupe_error*>(memory.data());
    troupe_error_default(error, size);
    troupe_error_set(error, TROUPE_FAILED, line.c_str());
    return std::string(reinterpret_cast<const char*>(error) + offsetof(troupe_error, message));
  };
  CHECK(kept(sizeof(troupe_error)) == line.substr(0, sizeof(troupe_error::message) - 1));
  CHECK(kept(8192) == line);
}

}  // namespace troupe::testing
