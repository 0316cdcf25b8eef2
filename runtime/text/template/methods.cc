#include <algorithm>
#include <span>

#include "runtime/text/template/arguments.hpp"
#include "runtime/text/template/characters.hpp"
#include "runtime/text/template/operators.hpp"
#include "runtime/text/template/print.hpp"
#include "runtime/text/template/text_functions.hpp"

namespace troupe::jinja {
namespace {

const Text& self(const Call& call) { return *as<Text>(call.subject); }
const Dict& self_dict(const Call& call) { return *as<Dict>(call.subject); }

template <Ends ends>
Result<Value> strip(const Call& call) {
  const auto of = text_argument(call, 0);
  if (!of) return of.error();
  return stripped(self(call), *of, ends, call.budget());
}

template <bool from_right>
Result<Value> split_method(const Call& call) {
  const auto separator = text_argument(call, 0);
  const auto most = whole_argument(call, 1, -1);
  if (!separator) return separator.error();
  if (!most) return most.error();
  return split(self(call), *separator, *most, from_right, call.budget());
}

Result<Value> splitlines(const Call& call) { return split_lines(self(call), call.budget()); }

Result<Value> replace(const Call& call) {
  const auto old = needed_text(call, 0), fresh = needed_text(call, 1);
  const auto most = whole_argument(call, 2, -1);
  if (!old) return old.error();
  if (!fresh) return fresh.error();
  if (!most) return most.error();
  return replaced(self(call), **old, **fresh, *most, call.budget());
}

/// Whether the text begins or ends with a text, or with one of several.
template <bool at_end>
Result<Value> has_end(const Call& call) {
  const std::string_view text = self(call).view();
  const List* several = call.argument(0) == nullptr ? nullptr : as<List>(*call.argument(0));
  const auto matches = [&](std::string_view part) { return at_end ? text.ends_with(part) : text.starts_with(part); };
  if (several != nullptr) {
    for (const Value& each : several->items) {
      const Text* part = as<Text>(each);
      if (!call.budget().scan(part == nullptr ? 0 : part->size())) return exhausted();
      if (part != nullptr && matches(part->view())) return Value(true);
    }
    return Value(false);
  }
  const auto part = needed_text(call, 0);
  if (!part) return part.error();
  if (!call.budget().scan((*part)->size())) return exhausted();
  return Value(matches((*part)->view()));
}

template <bool from_right>
Result<Value> find(const Call& call) {
  const auto part = needed_text(call, 0);
  if (!part) return part.error();
  const std::string_view text = self(call).view();
  if (!call.budget().search(text.size(), (*part)->size())) return exhausted();
  const std::size_t found = from_right ? text.rfind((*part)->view()) : text.find((*part)->view());
  if (found == text.npos) return Value(std::int64_t{-1});
  return Value(static_cast<std::int64_t>(count_characters(text.substr(0, found))));
}

Result<Value> count(const Call& call) {
  const auto part = needed_text(call, 0);
  if (!part) return part.error();
  const std::string_view text = self(call).view();
  if (!call.budget().search(text.size(), (*part)->size())) return exhausted();
  if ((*part)->size() == 0) return Value(static_cast<std::int64_t>(count_characters(text)) + 1);
  if (!call.budget().spend(text.size() / (*part)->size() / 8)) return exhausted();
  std::int64_t times = 0;
  for (std::size_t at = text.find((*part)->view()); at != text.npos; ++times) {
    at = text.find((*part)->view(), at + (*part)->size());
  }
  return Value(times);
}

template <bool at_end>
Result<Value> without(const Call& call) {
  const auto part = needed_text(call, 0);
  if (!part) return part.error();
  const Text& text = self(call);
  const std::size_t length = (*part)->size();
  if (!call.budget().make(text.memory())) return exhausted();
  if (!at_end && text.view().starts_with((*part)->view())) return text_value(text.part(length, text.size()));
  if (at_end && text.view().ends_with((*part)->view())) return text_value(text.part(0, text.size() - length));
  return call.subject;
}

bool has_case(char32_t code) { return to_lower(code) != code || to_upper(code) != code; }

Result<Value> lower(const Call& call) {
  return mapped(
      self(call), [](char32_t code, char32_t) { return to_lower(code); }, call.budget());
}
Result<Value> upper(const Call& call) {
  return mapped(
      self(call), [](char32_t code, char32_t) { return to_upper(code); }, call.budget());
}
Result<Value> capitalize(const Call& call) {
  const auto map = [](char32_t code, char32_t before) { return before == 0 ? to_upper(code) : to_lower(code); };
  return mapped(self(call), map, call.budget());
}
Result<Value> title(const Call& call) {
  const auto map = [](char32_t code, char32_t before) { return has_case(before) ? to_lower(code) : to_upper(code); };
  return mapped(self(call), map, call.budget());
}

Result<Value> isdigit(const Call& call) {
  const std::string_view text = self(call).view();
  if (!call.budget().scan(text.size())) return exhausted();
  return Value(!text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }));
}

Result<Value> join(const Call& call) {
  const Value* items = call.argument(0);
  if (items == nullptr) return Error(Code::failed, "join wants a list");
  const auto list = elements(*items, call.budget());
  if (!list) return list.error();
  for (const Value& item : (*list)->items) {
    if (as<Text>(item) == nullptr) return Error(Code::failed, "join wants texts, not " + std::string(kind_of(item)));
  }
  return joined(**list, self(call), call.budget());
}

/// The argument that a field of str.format names: by its number, its name, or the next one.
Result<const Value*> field(const Call& call, std::string_view name, std::size_t& next) {
  const auto missing = [&] { return Error(Code::failed, "format has no argument for {" + std::string(name) + "}"); };
  if (name.find_first_not_of("0123456789") == name.npos) {
    const std::size_t place = name.empty() ? next++ : name.size() > 3 ? name.npos : std::stoul(std::string(name));
    if (place >= call.given.values.size()) return missing();
    return &call.given.values[place];
  }
  if (name.find_first_of(":!.[") != name.npos) {
    return Error(Code::unsupported, "format takes {}, {0} and {name}, without anything behind them");
  }
  for (const auto& [given, value] : call.given.named) {
    if (given == name) return &value;
  }
  return missing();
}

Result<Value> format(const Call& call) {
  const Text& pattern = self(call);
  const std::string_view view = pattern.view();
  Text out;
  std::size_t next = 0;
  if (!call.budget().make(pattern.memory()) || !call.budget().spend(view.size() / 8)) return exhausted();
  for (std::size_t at = 0; at < view.size();) {
    const std::size_t brace = std::min(view.find_first_of("{}", at), view.size());
    out.append(pattern, at, brace);
    if (brace == view.size()) break;
    if (view.substr(brace + 1).starts_with(view[brace])) {  // a doubled one stands for itself
      out.append(pattern, brace, brace + 1);
      at = brace + 2;
      continue;
    }
    const std::size_t end = view.find('}', brace);
    if (view[brace] == '}' || end == view.npos) return Error(Code::failed, "format meets a single '{' or '}'");
    if (!call.budget().spend(call.given.named.size() / 8)) return exhausted();
    const auto value = field(call, view.substr(brace + 1, end - brace - 1), next);
    if (!value) return value.error();
    const auto text = printed(**value, call.budget());
    if (!text) return text.error();
    if (!call.budget().make((*text)->memory()) || !call.budget().spend()) return exhausted();
    out.append(**text);
    at = end + 1;
  }
  return text_value(std::move(out));
}

template <class Take>
Result<Value> entries_of(const Call& call, Take take) {
  std::vector<Value> out;
  const auto& entries = self_dict(call).entries();
  if (!call.budget().make(entries.size() * 128)) return exhausted();
  for (const Dict::Entry& entry : entries) {
    auto item = take(entry);
    if (!item) return item;
    out.push_back(std::move(*item));
  }
  return list_value(std::move(out), List::Kind::view);
}

Result<Value> items(const Call& call) {
  return entries_of(call, [](const Dict::Entry& each) {
    return list_value({each.first, each.second}, List::Kind::tuple);
  });
}
Result<Value> keys(const Call& call) {
  return entries_of(call, [](const Dict::Entry& each) { return Result<Value>(each.first); });
}
Result<Value> values(const Call& call) {
  return entries_of(call, [](const Dict::Entry& each) { return Result<Value>(each.second); });
}
Result<Value> copy(const Call& call) { return call.subject; }

Result<Value> get_method(const Call& call) {
  const Value *key = call.argument(0), *fallback = call.argument(1);
  if (key == nullptr) return Error(Code::failed, "get wants a key");
  const auto found = look_up(self_dict(call), *key, call.budget());
  if (!found) return found.error();
  if (*found != nullptr) return **found;
  return fallback == nullptr ? Value(None()) : *fallback;
}

/// How often a value is in a list, or where first.
template <bool wants_place>
Result<Value> look_for(const Call& call) {
  const Value* wanted = call.argument(0);
  if (wanted == nullptr) return Error(Code::failed, std::string(call.function.name) + " wants a value");
  const auto& list = as<List>(call.subject)->items;
  std::int64_t times = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto same = equal(list[i], *wanted, call.budget());
    if (!same) return same.error();
    if (wants_place && *same) return Value(static_cast<std::int64_t>(i));
    times += *same ? 1 : 0;
  }
  if (wants_place) return Error(Code::failed, "index finds no such element");
  return Value(times);
}

constexpr Function text_methods[] = {
    {"capitalize", "", capitalize},
    {"count", "sub", count},
    {"endswith", "suffix", has_end<true>},
    {"find", "sub", find<false>},
    {"format", "*", format},
    {"isdigit", "", isdigit},
    {"join", "iterable", join},
    {"lower", "", lower},
    {"lstrip", "chars", strip<Ends::left>},
    {"removeprefix", "prefix", without<false>},
    {"removesuffix", "suffix", without<true>},
    {"replace", "old new count", replace},
    {"rfind", "sub", find<true>},
    {"rsplit", "sep maxsplit", split_method<true>},
    {"rstrip", "chars", strip<Ends::right>},
    {"split", "sep maxsplit", split_method<false>},
    {"splitlines", "", splitlines},
    {"startswith", "prefix", has_end<false>},
    {"strip", "chars", strip<Ends::both>},
    {"title", "", title},
    {"upper", "", upper},
};
constexpr Function dict_methods[] = {
    {"copy", "", copy},     {"get", "key default", get_method}, {"items", "", items}, {"keys", "", keys},
    {"values", "", values},
};
constexpr Function list_methods[] = {{"count", "value", look_for<false>}, {"index", "value", look_for<true>}};

std::span<const Function> methods_of(const Value& self) {
  if (as<Text>(self) != nullptr) return text_methods;
  if (as<Dict>(self) != nullptr) return dict_methods;
  const List* list = as<List>(self);
  if (list != nullptr && list->kind <= List::Kind::tuple) return list_methods;
  return {};
}

}  // namespace

const Function* find_method(const Value& self, std::string_view name) {
  const auto methods = methods_of(self);
  const auto found = std::find_if(methods.begin(), methods.end(), [&](const Function& m) { return m.name == name; });
  return found == methods.end() ? nullptr : &*found;
}

}  // namespace troupe::jinja
