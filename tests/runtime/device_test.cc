#include "runtime/device/device.hpp"

#include <catch2/catch.hpp>

#include "kernels/table.hpp"
#include "runtime/device/cpu/cpu_device.hpp"

namespace troupe {
namespace {

using Catch::Matchers::Contains;

const DeviceKind* const kinds[] = {&cpu_kind};

TEST_CASE("devices: the processor by each of its instruction sets") {
  const std::string best(kernels::tables().back()->name);
  CHECK(open_device(kinds, "cpu", {}).value()->name() == "cpu:" + best);
  CHECK(open_device(kinds, "cpu", {.isa = "reference"}).value()->name() == "cpu:reference");
  CHECK(open_device(kinds, "cpu:reference", {.isa = best}).value()->name() == "cpu:reference");
  std::string names = "cpu";
  for (const kernels::KernelTable* table : kernels::tables()) {
    const std::string name = "cpu:" + std::string(table->name);
    CHECK(open_device(kinds, name, {}).value()->name() == name);
    names += ", " + name;
  }
  CHECK(device_names(kinds) == names);
}

TEST_CASE("devices: who names another is told which there are", "[bad-input]") {
  for (const char* name : {"tpu", "cpux", "", ":", "avx2", "cuda:0"}) {
    const auto opened = open_device(kinds, name, {});
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code() == Code::invalid_argument);
    CHECK_THAT(opened.error().message(), Contains("device \"" + std::string(name) + "\"") && Contains("cpu:reference"));
  }
  for (const char* name : {"cpu:sse2", "cpu:cpu", "cpu:reference:"}) {
    const auto opened = open_device(kinds, name, {});
    REQUIRE_FALSE(opened);
    CHECK_THAT(opened.error().message(), Contains("this processor has reference"));
  }
  CHECK_FALSE(open_device(kinds, "cpu", {.isa = "sse2"}));
}

TEST_CASE("devices: the processor has every op, and rotates parts of heads") {
  Program program;
  program.kv.push_back({.heads = {0, 2}, .head_dim = 64});
  program.rotations.push_back({kernels::RopeStyle::halves, 64, std::vector<double>(32, 1.0)});
  const auto device = open_device(kinds, "cpu", {}).value();
  program.rotations.push_back({kernels::RopeStyle::halves, 32, std::vector<double>(16, 1.0)});
  CHECK(device->check(program).ok());
}

}  // namespace
}  // namespace troupe
