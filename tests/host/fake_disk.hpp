#pragma once

#include <catch2/catch.hpp>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "runtime/tiers/stream_plan.hpp"

namespace troupe::testing {

/// A disk that is a function: what it does when a read is waited for.
class FakeDisk : public UnitReader {
 public:
  using Read = std::function<Result<void>(std::size_t unit, std::span<std::byte> into)>;
  explicit FakeDisk(Read read) : read_(std::move(read)) {}

  Result<void> begin(std::size_t place, std::size_t unit, std::span<std::byte> into) override {
    CHECK_FALSE(under_way.contains(place));
    under_way[place] = {unit, into};
    begun.push_back(unit);
    return {};
  }
  bool ready(std::size_t place) override { return !under_way.contains(place); }
  Result<void> wait(std::size_t place, std::chrono::nanoseconds patience) override {
    const auto found = under_way.find(place);
    if (found == under_way.end()) return failed[place] ? Result<void>(*failed[place]) : Result<void>();
    if (stalls && patience < std::chrono::hours(1)) return Error(Code::deadline, "the disk has not answered");
    const auto done = read_(found->second.unit, found->second.into);
    failed[place] = done ? std::nullopt : std::optional(done.error());
    under_way.erase(found);
    return done;
  }

  struct UnderWay {
    std::size_t unit;
    std::span<std::byte> into;
  };
  std::map<std::size_t, UnderWay> under_way;  ///< by place
  std::map<std::size_t, std::optional<Error>> failed;
  std::vector<std::size_t> begun;
  bool stalls = false;

 private:
  Read read_;
};

/// Writes the unit's number all over.
inline Result<void> mark(std::size_t unit, std::span<std::byte> into) {
  std::memset(into.data(), static_cast<int>(unit), into.size());
  return {};
}

}  // namespace troupe::testing
