#pragma once

#include <ctime>
#include <deque>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/text/template/budget.hpp"
#include "runtime/text/template/value.hpp"

namespace troupe::jinja {

/// What functions share while one conversation is rendered.
struct World {
  Budget budget;
  std::tm now;                         ///< the local time, for strftime_now
  std::deque<Namespace> namespaces{};  ///< all that were made; values point to them
  std::uint32_t calls = 0;             ///< of functions that call functions, one within the other
};

struct Arguments {
  std::vector<Value> values{};
  std::vector<std::pair<std::string_view, Value>> named{};
};

/// One call of a function: what it is applied to and what it is given.
struct Call {
  World& world;
  const Function& function;
  const Value& subject;  ///< of a filter or test what stands before it, of a method its text, list or dict
  const Arguments& given;

  [[nodiscard]] Budget& budget() const { return world.budget; }
  /// The argument for a parameter of the function, by its place or its name; null where it is not given.
  [[nodiscard]] const Value* argument(std::size_t parameter) const;
  [[nodiscard]] bool flag(std::size_t parameter) const;  ///< whether it is given and true
};

/// A filter, test, method or global function: one line of a table.
struct Function {
  std::string_view name;
  std::string_view parameters;  ///< names with spaces between them; "*": it looks at what it is given itself
  Result<Value> (*run)(const Call& call);
};

/// Null where there is none of that name.
[[nodiscard]] const Function* find_filter(std::string_view name);
[[nodiscard]] const Function* find_test(std::string_view name);
[[nodiscard]] const Function* find_method(const Value& self, std::string_view name);
[[nodiscard]] const Function* find_global(std::string_view name);

/// Calls it once its arguments are known to fit its parameters. A test gives a boolean.
[[nodiscard]] Result<Value> call(World& world, const Function& function, const Value& subject, const Arguments& given);

}  // namespace troupe::jinja
