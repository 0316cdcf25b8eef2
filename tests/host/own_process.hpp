#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace troupe::testing {

/// Runs a hidden case of this test program in a process of its own; returns what waitpid says of its end. For what
/// would end the process where it fails, and for what must not be set in this one.
inline int run_in_own_process(std::string name) {
  std::string program = "/proc/self/exe";
  std::string warn = "--warn", no_tests = "NoTests";  // a name that matches nothing fails
  std::vector<char*> arguments{program.data(), name.data(), warn.data(), no_tests.data(), nullptr};
  pid_t child = 0;
  REQUIRE(posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments.data(), environ) == 0);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return status;
}

}  // namespace troupe::testing
