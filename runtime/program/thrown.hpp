#pragma once

#include <exception>
#include <string>

#include "runtime/text/utf8.hpp"
#include "troupe/error.hpp"

namespace troupe {

/// In a handler: what code of the host's has thrown, as one line that begins with who threw. An Error keeps its code.
[[nodiscard]] inline Error error_of_thrown(const std::string& who) {
  const auto line = [&](const std::string& what) { return on_one_line(who + " threw: " + what); };
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), line(error.message())};
  } catch (const std::exception& exception) {
    const char* what = exception.what();
    return {Code::failed, line(what == nullptr ? "an exception without words" : what)};
  } catch (...) {
    return {Code::failed, line("something that is no std::exception")};
  }
}

}  // namespace troupe
