#include "runtime/text/template/functions.hpp"

#include <algorithm>

namespace troupe::jinja {
namespace {

constexpr std::uint32_t most_calls = 32;

/// Takes the first name off a list of names.
std::string_view take_name(std::string_view& names) {
  const std::size_t space = std::min(names.find(' '), names.size());
  const std::string_view name = names.substr(0, space);
  names.remove_prefix(std::min(space + 1, names.size()));
  return name;
}

/// The place of a parameter; -1 where there is none of that name.
int place_of(std::string_view parameters, std::string_view name) {
  for (int place = 0; !parameters.empty(); ++place) {
    if (take_name(parameters) == name) return place;
  }
  return -1;
}

std::string_view name_at(std::string_view parameters, std::size_t place) {
  for (; place > 0; --place) (void)take_name(parameters);
  return take_name(parameters);
}

Result<void> check(const Function& function, const Arguments& given) {
  if (function.parameters == "*") return {};
  const std::string_view names = function.parameters;
  const auto spaces = static_cast<std::size_t>(std::count(names.begin(), names.end(), ' '));
  const std::size_t count = names.empty() ? 0 : spaces + 1;
  if (given.values.size() > count) {
    return Error(Code::failed, std::string(function.name) + " takes at most " + std::to_string(count) +
                                   " arguments, not " + std::to_string(given.values.size()));
  }
  for (const auto& [name, value] : given.named) {
    const int place = place_of(names, name);
    if (place >= 0 && static_cast<std::size_t>(place) >= given.values.size()) continue;
    return Error(Code::failed, std::string(function.name) + (place < 0 ? " has no parameter " : " is given twice ") +
                                   std::string(name));
  }
  return {};
}

}  // namespace

const Value* Call::argument(std::size_t parameter) const {
  if (parameter < given.values.size()) return &given.values[parameter];
  const std::string_view wanted = name_at(function.parameters, parameter);
  for (const auto& [name, value] : given.named) {
    if (name == wanted) return &value;
  }
  return nullptr;
}

bool Call::flag(std::size_t parameter) const {
  const Value* value = argument(parameter);
  return value != nullptr && is_true(*value);
}

Result<Value> call(World& world, const Function& function, const Value& subject, const Arguments& given) {
  if (!world.budget.spend(1 + given.named.size() / 8)) return exhausted();
  if (const auto fits = check(function, given); !fits) return fits.error();
  if (world.calls == most_calls) return Error(Code::failed, "filters call filters too deeply");
  ++world.calls;
  auto value = function.run({world, function, subject, given});
  --world.calls;
  return value;
}

}  // namespace troupe::jinja
