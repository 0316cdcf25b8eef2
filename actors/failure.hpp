#pragma once

#include <caf/error.hpp>
#include <caf/exit_reason.hpp>
#include <caf/sec.hpp>
#include <exception>
#include <new>
#include <string>

namespace troupe::actors {

/// Why an actor ends, in words that its supervisor passes on.
[[nodiscard]] inline caf::error failure(std::string words) {
  return caf::make_error(caf::sec::runtime_error, std::move(words));
}

/// What a handler throws ends its actor with these words; CAF would print them to standard error as well.
template <class Self>
void end_on_exception(Self self) {
  self->set_exception_handler([](std::exception_ptr& thrown) -> caf::error {
    try {
      std::rethrow_exception(thrown);
    } catch (const std::bad_alloc&) {
      return caf::exit_reason::unhandled_exception;  // words need memory
    } catch (const std::exception& exception) {
      return failure(exception.what());
    } catch (...) {
      return failure("one of its actors threw something that is no std::exception");
    }
  });
}

}  // namespace troupe::actors
