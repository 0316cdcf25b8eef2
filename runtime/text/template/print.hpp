#pragma once

#include <string>

#include "runtime/text/template/budget.hpp"
#include "runtime/text/template/value.hpp"

namespace troupe::jinja {

/// str(value), as a template prints it: a text as it is, everything else as Python's repr() has it.
[[nodiscard]] Result<TextRef> printed(const Value& value, Budget& budget);

/// repr() of a number: the shortest digits that read back as the same.
[[nodiscard]] std::string python_number(double value);

}  // namespace troupe::jinja
