#include <algorithm>
#include <array>
#include <cstdlib>
#include <exception>
#include <new>

#include "runtime/c/boundary.hpp"
#include "runtime/c/sized.hpp"

namespace troupe::c {
namespace {

/// From the lowest status on.
constexpr std::array names{"not yet",     "end",           "ok",           "invalid argument", "not found", "bad file",
                           "unsupported", "out of memory", "out of range", "queue full",       "deadline",  "cancelled",
                           "aborted",     "failed"};
static_assert(names.size() == status_of(Code::failed) - TROUPE_NOT_YET + 1);
static_assert(status_of(Code::invalid_argument) == TROUPE_INVALID_ARGUMENT);
static_assert(status_of(Code::not_found) == TROUPE_NOT_FOUND);
static_assert(status_of(Code::bad_file) == TROUPE_BAD_FILE);
static_assert(status_of(Code::unsupported) == TROUPE_UNSUPPORTED);
static_assert(status_of(Code::out_of_memory) == TROUPE_OUT_OF_MEMORY);
static_assert(status_of(Code::out_of_range) == TROUPE_OUT_OF_RANGE);
static_assert(status_of(Code::queue_full) == TROUPE_QUEUE_FULL);
static_assert(status_of(Code::deadline) == TROUPE_DEADLINE);
static_assert(status_of(Code::cancelled) == TROUPE_CANCELLED);
static_assert(status_of(Code::aborted) == TROUPE_ABORTED);
static_assert(status_of(Code::failed) == TROUPE_FAILED);

/// How much of a text fits, whole characters only: no cut before a byte that goes on with one.
std::size_t fitting(std::string_view text, std::size_t room) {
  if (text.size() <= room) return text.size();
  while (room > 0 && (static_cast<unsigned char>(text[room]) & 0xC0U) == 0x80U) --room;
  return room;
}

}  // namespace

Code code_of(troupe_status status) {
  const bool known = status >= TROUPE_INVALID_ARGUMENT && status <= TROUPE_FAILED;
  return known ? static_cast<Code>(status - 1) : Code::failed;
}

troupe_status say(troupe_error* to, troupe_status status, std::string_view message) noexcept {
  constexpr std::size_t longest = 65536;  // above it, size was never set
  if (to == nullptr || to->size < offsetof(troupe_error, message) || to->size > longest) return status;
  to->status = status;
  const std::size_t room = to->size - offsetof(troupe_error, message);
  if (room == 0) return status;
  const std::size_t taken = fitting(message, room - 1);
  char* const line = reinterpret_cast<char*>(to) + offsetof(troupe_error, message);
  message.copy(line, taken);
  line[taken] = '\0';
  return status;
}

troupe_status say_caught(troupe_error* to) noexcept {
  try {
    throw;
  } catch (const Error& error) {
    return say(to, status_of(error.code()), error.message());
  } catch (const std::bad_alloc&) {
    return say(to, TROUPE_OUT_OF_MEMORY, "there is no memory for the call");
  } catch (const std::exception& error) {
    const char* const what = error.what();
    return say(to, TROUPE_FAILED, what == nullptr ? "something was thrown that has no words" : what);
  } catch (...) {
    return say(to, TROUPE_FAILED, "something was thrown that is no std::exception");
  }
}

std::string_view text_of(const char* text, std::size_t length, const char* name) {
  constexpr std::size_t most = std::size_t{1} << 32;
  const auto letters = array_of(text, length, name, most);
  return {letters.data(), letters.size()};
}

std::span<const std::int32_t> ids_of(const std::int32_t* ids, std::size_t count, const char* name) {
  constexpr std::size_t most = std::size_t{1} << 28;  // more than any model's context
  return array_of(ids, count, name, most);
}

}  // namespace troupe::c

using namespace troupe::c;

const char* troupe_status_name(troupe_status status) {
  const bool known = status >= TROUPE_NOT_YET && status <= TROUPE_FAILED;
  return known ? names[static_cast<std::size_t>(status - TROUPE_NOT_YET)] : "unknown status";
}

void troupe_error_default(troupe_error* error, size_t size) {
  if (error == nullptr || size < sizeof error->size) return;
  error->size = size;
  say(error, TROUPE_OK, {});
}

troupe_status troupe_error_set(troupe_error* error, troupe_status status, const char* message) {
  return say(error, status, or_empty(message));
}

void troupe_free(void* memory) { std::free(memory); }
