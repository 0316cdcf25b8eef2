#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "runtime/model/element_type.hpp"
#include "troupe/error.hpp"

namespace troupe::plugins {

/// Reads a file from front to back and never beyond its end. The first thing that is wrong stays: after it, everything
/// reads as zero or empty, and error() says what it was. So a caller may read several fields and look once.
class GgufCursor {
 public:
  GgufCursor(const std::string& path, std::span<const std::byte> file) : path_(path), file_(file) {}

  /// What the next fields belong to, for errors: `tensor "output.weight"`. The view must stay valid.
  void enter(const char* kind, std::string_view name) {
    kind_ = kind;
    name_ = name;
  }

  template <class T>
  [[nodiscard]] T number(std::string_view field) {
    const std::span<const std::byte> bytes = take(field, sizeof(T));
    return bytes.empty() ? T{} : read_number<T>(bytes.data());
  }

  /// A number of things that take at least `each` bytes of what is left of the file, and are at most `limit`.
  [[nodiscard]] std::uint64_t count(std::string_view field, std::uint64_t each, std::uint64_t limit);

  [[nodiscard]] std::string_view string(std::string_view field);
  [[nodiscard]] std::span<const std::byte> take(std::string_view field, std::uint64_t size);

  [[nodiscard]] std::uint64_t at() const { return at_; }
  /// What has been read since it stood at byte `start`.
  [[nodiscard]] std::span<const std::byte> since(std::uint64_t start) const {
    return file_.subspan(start, at_ - start);
  }
  [[nodiscard]] std::uint64_t left() const { return file_.size() - at_; }

  /// Records an error at a byte of the file; `found` and `expected` are put into words by the caller.
  void fail(Code code, std::uint64_t at, std::string_view field, const std::string& found, const std::string& expected);

  [[nodiscard]] bool failed() const { return error_.has_value(); }
  /// Precondition: failed().
  [[nodiscard]] const Error& error() const { return *error_; }

 private:
  const std::string& path_;
  std::span<const std::byte> file_;
  std::uint64_t at_ = 0;
  const char* kind_ = nullptr;
  std::string_view name_;
  std::optional<Error> error_;
};

}  // namespace troupe::plugins
