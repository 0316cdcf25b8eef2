#include <algorithm>
#include <array>
#include <cstdint>

#include "runtime/text/template/arguments.hpp"

namespace troupe::jinja {
namespace {

constexpr std::uint64_t longest_range = 100000;  // as Jinja2's sandbox has it

Result<Value> range(const Call& call) {
  const std::size_t count = call.given.values.size();
  if (count < 1 || count > 3 || !call.given.named.empty()) return Error(Code::failed, "range takes 1 to 3 numbers");
  std::array<std::int64_t, 3> numbers{0, 0, 1};  // start, stop, step
  for (std::size_t i = 0; i < count; ++i) {
    const auto number = whole_argument(call, i, 0);
    if (!number) return number.error();
    numbers[count == 1 ? 1 : i] = *number;
  }
  const auto [start, stop, step] = numbers;
  if (step == 0) return Error(Code::failed, "range's step cannot be zero");
  const bool any = step > 0 ? start < stop : start > stop;
  const auto distance =
      static_cast<std::uint64_t>(step > 0 ? stop : start) - static_cast<std::uint64_t>(step > 0 ? start : stop);
  const std::uint64_t stride = step > 0 ? static_cast<std::uint64_t>(step) : 0 - static_cast<std::uint64_t>(step);
  const std::uint64_t length = any ? (distance - 1) / stride + 1 : 0;
  if (length > longest_range) {
    return Error(Code::failed, "a range of " + std::to_string(length) + " numbers is too long; at most " +
                                   std::to_string(longest_range) + " can be gone through");
  }
  if (!call.budget().make(length * sizeof(Value))) return exhausted();
  std::vector<Value> items;
  for (std::uint64_t i = 0; i < length; ++i) {
    items.emplace_back(
        static_cast<std::int64_t>(static_cast<std::uint64_t>(start) + i * static_cast<std::uint64_t>(step)));
  }
  return list_value(std::move(items));
}

Result<Dict> named_values(const Call& call) {
  if (call.given.values.size() > 1) {
    return Error(Code::failed, std::string(call.function.name) + " takes at most one dict, and names");
  }
  Dict out;
  if (!call.given.values.empty()) {
    const Dict* first = as<Dict>(call.given.values[0]);
    if (first == nullptr) return Error(Code::failed, std::string(call.function.name) + " wants a dict, or names");
    if (!call.budget().make(first->entries().size() * 128)) return exhausted();
    out = *first;
  }
  for (const auto& [name, value] : call.given.named) out.set(name, value);
  return out;
}

Result<Value> dict(const Call& call) {
  auto values = named_values(call);
  if (!values) return values.error();
  return dict_value(std::move(*values));
}

Result<Value> new_namespace(const Call& call) {
  auto values = named_values(call);
  if (!values) return values.error();
  if (!call.budget().make(sizeof(Namespace) + call.given.named.size() * 128)) return exhausted();
  return Value(&call.world.namespaces.emplace_back(Namespace{std::move(*values)}));
}

Result<Value> raise_exception(const Call& call) {
  const auto message = needed_text(call, 0);
  if (!message) return message.error();
  return Error(Code::invalid_argument, "it says: " + (*message)->bytes());
}

constexpr std::string_view days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
constexpr std::string_view months[] = {"January", "February", "March",     "April",   "May",      "June",
                                       "July",    "August",   "September", "October", "November", "December"};

std::string digits(int number, std::size_t width) {
  std::string text = std::to_string(number);
  return text.size() < width ? std::string(width - text.size(), '0') + text : text;
}

/// What stands for %letter, in English whatever the host's locale; empty for letters that are not known.
std::string date_part(const std::tm& now, char letter) {
  const int hour = now.tm_hour % 12 == 0 ? 12 : now.tm_hour % 12;
  switch (letter) {
    case 'Y':
      return std::to_string(now.tm_year + 1900);
    case 'y':
      return digits(now.tm_year % 100, 2);
    case 'm':
      return digits(now.tm_mon + 1, 2);
    case 'd':
      return digits(now.tm_mday, 2);
    case 'j':
      return digits(now.tm_yday + 1, 3);
    case 'H':
      return digits(now.tm_hour, 2);
    case 'I':
      return digits(hour, 2);
    case 'M':
      return digits(now.tm_min, 2);
    case 'S':
      return digits(now.tm_sec, 2);
    case 'p':
      return now.tm_hour < 12 ? "AM" : "PM";
    case 'B':
      return std::string(months[now.tm_mon]);
    case 'b':
      return std::string(months[now.tm_mon].substr(0, 3));
    case 'A':
      return std::string(days[now.tm_wday]);
    case 'a':
      return std::string(days[now.tm_wday].substr(0, 3));
    case '%':
      return "%";
    default:
      return {};
  }
}

Result<Value> strftime_now(const Call& call) {
  const auto format = needed_text(call, 0);
  if (!format) return format.error();
  const std::string_view view = (*format)->view();
  if (!call.budget().make(view.size() * 5) || !call.budget().spend(view.size() / 8)) return exhausted();
  Text out;
  for (std::size_t at = 0; at < view.size(); ++at) {
    if (view[at] != '%') {
      out.append(**format, at, at + 1);
      continue;
    }
    const bool bare = view.substr(at + 1).starts_with('-');  // %-d: without zeros in front
    at += bare ? 2 : 1;
    std::string part = at < view.size() ? date_part(call.world.now, view[at]) : "";
    if (part.empty()) return Error(Code::unsupported, "strftime_now does not know a letter of its format");
    if (bare) part.erase(0, std::min(part.find_first_not_of('0'), part.size() - 1));
    out.append(part, Author::conversation);
  }
  return text_value(std::move(out));
}

constexpr Function globals[] = {
    {"dict", "*", dict},   {"namespace", "*", new_namespace},        {"raise_exception", "message", raise_exception},
    {"range", "*", range}, {"strftime_now", "format", strftime_now},
};

}  // namespace

const Function* find_global(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(globals), std::end(globals), [&](const Function& each) { return each.name == name; });
  return found == std::end(globals) ? nullptr : found;
}

}  // namespace troupe::jinja
