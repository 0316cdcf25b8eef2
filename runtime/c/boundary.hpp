#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "runtime/c/troupe.h"
#include "troupe/error.hpp"

namespace troupe::c {

/// The status of a code, and back; a status that is no failure of ours becomes `failed`.
[[nodiscard]] constexpr troupe_status status_of(Code code) { return static_cast<troupe_status>(code) + 1; }
[[nodiscard]] Code code_of(troupe_status status);

/// Writes what a call says: the status, and as much of the line as the caller has room for. Takes no memory.
troupe_status say(troupe_error* to, troupe_status status, std::string_view message) noexcept;

/// What is caught here, as a status. For catch blocks only.
troupe_status say_caught(troupe_error* to) noexcept;

/// Runs a call, which may return a status, and turns what it throws into one.
template <class Call>
troupe_status guarded(troupe_error* error, const Call& call) {
  try {
    if constexpr (std::is_void_v<decltype(call())>) {
      call();
      return say(error, TROUPE_OK, {});
    } else {
      return say(error, call(), {});
    }
  } catch (...) {
    return say_caught(error);
  }
}

/// What a parameter points to; throws invalid_argument where it is NULL.
template <class T>
[[nodiscard]] T& needed(T* parameter, const char* name) {
  if (parameter != nullptr) return *parameter;
  throw Error(Code::invalid_argument, std::string("the parameter \"") + name + "\" is NULL; the call needs it");
}

/// Where a call leaves its result: NULL (or 0) until there is one.
template <class T>
T& emptied(T* out, const char* name) {
  return needed(out, name) = T{};
}

[[nodiscard]] inline std::string_view or_empty(const char* text) { return text == nullptr ? "" : text; }

/// An array with its number of elements, `most` of them at most: a count that is no count is refused, not walked; NULL
/// may stand for none. Throws invalid_argument.
template <class T>
[[nodiscard]] std::span<const T> array_of(const T* from, std::size_t count, const char* name,
                                          std::size_t most = std::size_t{1} << 20) {
  if (count == 0) return {};
  if (count <= most) return {&needed(from, name), count};
  throw Error(Code::invalid_argument, std::string("the count of \"") + name + "\" is " + std::to_string(count) +
                                          "; it must be at most " + std::to_string(most));
}

/// A text with a length; NULL may stand for an empty one.
[[nodiscard]] std::string_view text_of(const char* text, std::size_t length, const char* name);

/// Ids with their number; NULL may stand for none.
[[nodiscard]] std::span<const std::int32_t> ids_of(const std::int32_t* ids, std::size_t count, const char* name);

/// What a host's callback ended with, as something to throw, where it is a failure.
template <class Callback>
void ask(const char* who, const Callback& callback) {
  troupe_error said;
  troupe_error_default(&said, sizeof said);
  const troupe_status status = callback(&said);
  if (status == TROUPE_OK) return;
  std::string message(said.message, strnlen(said.message, sizeof said.message));
  if (message.empty()) message = std::string(who) + " ended with \"" + troupe_status_name(status) + '"';
  throw Error(code_of(status), std::move(message));
}

/// Whoever holds the last copy of one gives the host's pointer back, once it has been armed: when the library has taken
/// it for good.
class Release {
 public:
  Release(void (*release)(void*), void* user) : release_(release), user_(user) {}
  Release(const Release&) = delete;
  Release& operator=(const Release&) = delete;
  ~Release() {
    if (armed_ && release_ != nullptr) release_(user_);
  }
  void arm() { armed_ = true; }

 private:
  void (*release_)(void*);
  void* user_;
  bool armed_ = false;
};

}  // namespace troupe::c
