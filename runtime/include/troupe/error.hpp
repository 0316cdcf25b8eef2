#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace troupe {

/// Why something failed. Stable: scripts and the command's exit codes rely on it.
enum class Code {
  invalid_argument,  ///< the caller asked for something that cannot be
  not_found,         ///< no such file, name or id
  bad_file,          ///< a file is broken
  unsupported,       ///< well formed, but not something this build can do
  out_of_memory,     ///< an allocation or a limit that the host set was refused
  out_of_range,      ///< a value left the range that the numerics contract allows
  queue_full,        ///< a bounded queue had no place left
  deadline,          ///< a wait or a request passed its deadline
  cancelled,         ///< the host cancelled or dropped the request
  aborted,           ///< a peer failed, or the runtime is stopping
  failed,            ///< anything else, such as a host's actor that threw
};

/// One line that says what was wrong, where, and what would be right.
/// A value inside the runtime, an exception at the C++ boundary. Copies share the line: they take no memory, which may
/// be what is wanting.
class Error : public std::exception {
 public:
  Error(Code code, std::string message) : code_(code) {
    if (message.size() <= short_.capacity()) {
      short_ = std::move(message);
    } else {
      long_ = std::make_shared<const std::string>(std::move(message));
    }
  }
  [[nodiscard]] Code code() const noexcept { return code_; }
  [[nodiscard]] const std::string& message() const noexcept { return long_ ? *long_ : short_; }
  [[nodiscard]] const char* what() const noexcept override { return message().c_str(); }

 private:
  Code code_;
  std::string short_;
  std::shared_ptr<const std::string> long_;
};

/// A value, or the error that stood in its way.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  /// Precondition for the four below: ok().
  [[nodiscard]] T& operator*() & { return *std::get_if<0>(&state_); }
  [[nodiscard]] const T& operator*() const& { return *std::get_if<0>(&state_); }
  [[nodiscard]] T&& operator*() && { return std::move(*std::get_if<0>(&state_)); }
  [[nodiscard]] T* operator->() { return std::get_if<0>(&state_); }
  [[nodiscard]] const T* operator->() const { return std::get_if<0>(&state_); }

  /// Precondition: !ok().
  [[nodiscard]] const Error& error() const { return *std::get_if<1>(&state_); }

  /// The value; throws the error. For the C++ boundary and for tests.
  [[nodiscard]] T value() && {
    if (!ok()) throw error();
    return std::move(**this);
  }

 private:
  std::variant<T, Error> state_;
};

/// Success, or the error that stood in its way.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}
  [[nodiscard]] bool ok() const noexcept { return !error_; }
  explicit operator bool() const noexcept { return ok(); }
  [[nodiscard]] const Error& error() const { return *error_; }
  void value() && {
    if (error_) throw *error_;
  }

 private:
  std::optional<Error> error_;
};

}  // namespace troupe
