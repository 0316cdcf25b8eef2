#include "runtime/text/template/list_filters.hpp"

#include <algorithm>
#include <optional>

#include "runtime/text/template/arguments.hpp"
#include "runtime/text/template/operators.hpp"
#include "runtime/text/template/print.hpp"
#include "runtime/text/template/text_functions.hpp"

namespace troupe::jinja {
namespace {

/// What a new list pays for an element that may be new too.
constexpr std::size_t element_bytes = 128;

/// The attribute that "a.b" or a number names.
Result<Value> attribute_of(Value value, const Value& path, Budget& budget) {
  const Text* names = as<Text>(path);
  if (names == nullptr) return element(value, path, budget);
  std::string_view rest = names->view();
  for (bool more = true; more;) {
    const std::size_t dot = rest.find('.');
    const std::string_view name = rest.substr(0, dot);
    const bool number = !name.empty() && name.size() < 10 && name.find_first_not_of("0123456789") == name.npos;
    const Value key = number ? Value(static_cast<std::int64_t>(std::stoll(std::string(name))))
                             : text_value(std::string(name), Author::model_maker);
    auto next = element(value, key, budget);
    if (!next) return next;
    value = std::move(*next);
    more = dot != rest.npos;
    rest.remove_prefix(more ? dot + 1 : rest.size());
    if (!budget.spend()) return exhausted();
  }
  return value;
}

/// What a list is sorted by: an attribute of each element or itself, in lower case unless case counts.
Result<Value> key_of(const Value& item, const Value* attribute, bool case_counts, World& world) {
  auto key = attribute == nullptr || std::holds_alternative<None>(*attribute)
                 ? Result<Value>(item)
                 : attribute_of(item, *attribute, world.budget);
  if (!key || case_counts || as<Text>(*key) == nullptr) return key;
  return call(world, *find_method(*key, "lower"), *key, {});
}

struct Keyed {
  Value key, item;
};

Result<std::vector<Keyed>> keyed(const Call& call, const Value* attribute, bool case_counts) {
  const auto list = elements(call.subject, call.budget());
  if (!list) return list.error();
  if (!call.budget().make((*list)->items.size() * element_bytes)) return exhausted();
  std::vector<Keyed> out;
  for (const Value& item : (*list)->items) {
    auto key = key_of(item, attribute, case_counts, call.world);
    if (!key) return key.error();
    out.push_back({std::move(*key), item});
  }
  return out;
}

Result<Value> sorted(std::vector<Keyed> items, bool descending, Budget& budget) {
  std::optional<Error> failed;
  const auto before = [&](const Keyed& left, const Keyed& right) {
    if (failed) return false;
    const auto compared = descending ? order(right.key, left.key, budget) : order(left.key, right.key, budget);
    if (!compared) failed = compared.error();
    return compared && *compared < 0;
  };
  std::stable_sort(items.begin(), items.end(), before);
  if (failed) return *failed;
  std::vector<Value> out;
  for (Keyed& each : items) out.push_back(std::move(each.item));
  return list_value(std::move(out));
}

/// The arguments from one on.
Arguments behind(const Arguments& given, std::size_t first) {
  Arguments rest;
  for (std::size_t i = first; i < given.values.size(); ++i) rest.values.push_back(given.values[i]);
  rest.named = given.named;
  return rest;
}

/// The test that a filter is given, and what that gets itself.
struct Chosen {
  const Function* test = nullptr;  ///< null: whether a value is true
  Arguments rest{};
};

Result<Chosen> chosen_test(const Call& call, std::size_t place) {
  if (place >= call.given.values.size()) return Chosen();
  const Text* name = as<Text>(call.given.values[place]);
  const Function* test = name == nullptr ? nullptr : find_test(name->view());
  if (test != nullptr) return Chosen{test, behind(call.given, place + 1)};
  return Error(Code::failed, std::string(call.function.name) + " is given no known test");
}

/// Nothing where the subject is not true, whatever it is.
Result<ListRef> none_or_elements(const Call& call) {
  return elements(is_true(call.subject) ? call.subject : Value(Undefined()), call.budget());
}

/// The elements for which a test holds (or not): of themselves, or of an attribute.
Result<Value> picked(const Call& call, bool wanted, bool by_attribute) {
  if (by_attribute && call.given.values.empty()) {
    return Error(Code::failed, std::string(call.function.name) + " wants an attribute's name");
  }
  const auto list = none_or_elements(call);
  const auto chosen = chosen_test(call, by_attribute ? 1 : 0);
  if (!list) return list.error();
  if (!chosen) return chosen.error();
  std::vector<Value> out;
  for (const Value& item : (*list)->items) {
    if (!call.budget().spend() || !call.budget().make(sizeof(Value))) return exhausted();
    auto value = by_attribute ? attribute_of(item, call.given.values[0], call.budget()) : Result<Value>(item);
    if (value && chosen->test != nullptr) value = jinja::call(call.world, *chosen->test, *value, chosen->rest);
    if (!value) return value;
    if (is_true(*value) == wanted) out.push_back(item);
  }
  return list_value(std::move(out), List::Kind::generator);
}

Result<Value> extreme(const Call& call, int sign) {
  const auto items = keyed(call, call.argument(1), call.flag(0));
  if (!items) return items.error();
  const Keyed* best = nullptr;
  for (const Keyed& each : *items) {
    const auto compared = best == nullptr ? Result<int>(sign) : order(each.key, best->key, call.budget());
    if (!compared) return compared.error();
    if (*compared * sign > 0) best = &each;
  }
  return best == nullptr ? Value(Undefined()) : best->item;
}

Result<Value> with_attribute(const Call& call, const ListRef& list) {
  const Value* path = nullptr;
  Value fallback = Undefined();
  for (const auto& [name, value] : call.given.named) {
    if (name == "attribute") path = &value;
    if (name == "default") fallback = value;
  }
  if (path == nullptr) return Error(Code::failed, "map wants a filter's name or attribute=");
  std::vector<Value> out;
  for (const Value& item : list->items) {
    auto value = attribute_of(item, *path, call.budget());
    if (!value) return value;
    out.push_back(is_undefined(*value) ? fallback : std::move(*value));
  }
  return list_value(std::move(out), List::Kind::generator);
}

}  // namespace

Result<Value> filter_dictsort(const Call& call) {
  const Dict* dict = as<Dict>(call.subject);
  if (dict == nullptr) return wrong_subject(call, "a dict");
  const Text* by = call.argument(1) == nullptr ? nullptr : as<Text>(*call.argument(1));
  const bool by_value = by != nullptr && by->view() == "value";
  if (!call.budget().make(dict->entries().size() * element_bytes)) return exhausted();
  std::vector<Keyed> items;
  for (const auto& [name, value] : dict->entries()) {
    auto key = key_of(by_value ? value : name, nullptr, call.flag(0), call.world);
    auto pair = list_value({name, value}, List::Kind::tuple);
    if (!key) return key.error();
    if (!pair) return pair.error();
    items.push_back({std::move(*key), std::move(*pair)});
  }
  return sorted(std::move(items), call.flag(2), call.budget());
}

Result<Value> filter_first(const Call& call) {
  const auto list = elements(call.subject, call.budget());
  if (!list) return list.error();
  return (*list)->items.empty() ? Value(Undefined()) : (*list)->items.front();
}

Result<Value> filter_last(const Call& call) {
  const auto list = elements(call.subject, call.budget());
  if (!list) return list.error();
  return (*list)->items.empty() ? Value(Undefined()) : (*list)->items.back();
}

Result<Value> filter_items(const Call& call) {
  if (is_undefined(call.subject)) return list_value({}, List::Kind::generator);
  if (as<Dict>(call.subject) == nullptr) return wrong_subject(call, "a dict");
  auto items = jinja::call(call.world, *find_method(call.subject, "items"), call.subject, {});
  if (!items) return items;
  return list_value(as<List>(*items)->items, List::Kind::generator);
}

Result<Value> filter_join(const Call& call) {
  const auto list = elements(call.subject, call.budget());
  if (!list) return list.error();
  const auto between = printed(call.argument(0) == nullptr ? Value(Undefined()) : *call.argument(0), call.budget());
  if (!between) return between.error();
  const Value* attribute = call.argument(1);
  if (attribute == nullptr) return joined(**list, **between, call.budget());
  List values;
  if (!call.budget().make((*list)->items.size() * element_bytes)) return exhausted();
  for (const Value& item : (*list)->items) {
    auto value = attribute_of(item, *attribute, call.budget());
    if (!value) return value;
    values.items.push_back(std::move(*value));
  }
  return joined(values, **between, call.budget());
}

Result<Value> filter_list(const Call& call) {
  const auto list = elements(call.subject, call.budget());
  if (!list) return list.error();
  if (!call.budget().make((*list)->items.size() * sizeof(Value))) return exhausted();
  return list_value((*list)->items);
}

Result<Value> filter_map(const Call& call) {
  const auto list = none_or_elements(call);
  if (!list) return list.error();
  if (!call.budget().make((*list)->items.size() * element_bytes)) return exhausted();
  if (call.given.values.empty()) return with_attribute(call, *list);
  const Text* name = as<Text>(call.given.values[0]);
  const Function* filter = name == nullptr ? nullptr : find_filter(name->view());
  if (filter == nullptr) return Error(Code::failed, "map is given no known filter");
  const Arguments rest = behind(call.given, 1);
  std::vector<Value> out;
  for (const Value& item : (*list)->items) {
    auto value = jinja::call(call.world, *filter, item, rest);
    if (!value) return value;
    out.push_back(std::move(*value));
  }
  return list_value(std::move(out), List::Kind::generator);
}

Result<Value> filter_max(const Call& call) { return extreme(call, 1); }
Result<Value> filter_min(const Call& call) { return extreme(call, -1); }
Result<Value> filter_select(const Call& call) { return picked(call, true, false); }
Result<Value> filter_reject(const Call& call) { return picked(call, false, false); }
Result<Value> filter_selectattr(const Call& call) { return picked(call, true, true); }
Result<Value> filter_rejectattr(const Call& call) { return picked(call, false, true); }

Result<Value> filter_reverse(const Call& call) {
  const auto list = elements(call.subject, call.budget());
  if (!list) return list.error();
  List reversed;
  if (!call.budget().make((*list)->items.size() * sizeof(Value))) return exhausted();
  reversed.items.assign((*list)->items.rbegin(), (*list)->items.rend());
  if (as<Text>(call.subject) != nullptr) return joined(reversed, Text(), call.budget());
  return list_value(std::move(reversed.items), List::Kind::generator);
}

Result<Value> filter_sort(const Call& call) {
  auto items = keyed(call, call.argument(2), call.flag(1));
  if (!items) return items.error();
  return sorted(std::move(*items), call.flag(0), call.budget());
}

Result<Value> filter_sum(const Call& call) {
  const auto list = elements(call.subject, call.budget());
  if (!list) return list.error();
  Value total = call.argument(1) == nullptr ? Value(std::int64_t{0}) : *call.argument(1);
  for (const Value& item : (*list)->items) {
    const auto value =
        call.argument(0) == nullptr ? Result<Value>(item) : attribute_of(item, *call.argument(0), call.budget());
    if (!value) return value;
    auto next = calculate(Arithmetic::add, total, *value, call.budget());
    if (!next) return next;
    total = std::move(*next);
  }
  return total;
}

Result<Value> filter_unique(const Call& call) {
  const auto items = keyed(call, call.argument(1), call.flag(0));
  if (!items) return items.error();
  Dict seen;
  std::vector<Value> out;
  for (const Keyed& each : *items) {
    const auto found = look_up(seen, each.key, call.budget());
    if (!found) return found.error();
    if (*found != nullptr) continue;
    seen.set(each.key, Value(true));
    out.push_back(each.item);
  }
  return list_value(std::move(out), List::Kind::generator);
}

}  // namespace troupe::jinja
