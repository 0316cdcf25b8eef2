#include <algorithm>

#include "runtime/text/template/characters.hpp"
#include "runtime/text/template/functions.hpp"
#include "runtime/text/template/operators.hpp"
#include "runtime/text/utf8.hpp"

// What may stand behind `is`: each gives a boolean.
namespace troupe::jinja {
namespace {

template <class T>
Result<Value> holds(const Call& call) {
  return Value(std::holds_alternative<T>(call.subject));
}

template <class T>
Result<Value> is(const Call& call) {
  return Value(as<T>(call.subject) != nullptr);
}

Result<Value> defined(const Call& call) { return Value(!is_undefined(call.subject)); }

template <bool wanted>
Result<Value> truth(const Call& call) {
  const auto* value = std::get_if<bool>(&call.subject);
  return Value(value != nullptr && *value == wanted);
}

Result<Value> number(const Call& call) {
  const std::size_t index = call.subject.index();
  return Value(index >= Value(false).index() && index <= Value(0.0).index());
}

Result<Value> sequence(const Call& call) {
  const List* list = as<List>(call.subject);
  return Value(as<Text>(call.subject) != nullptr || as<Dict>(call.subject) != nullptr || is_undefined(call.subject) ||
               (list != nullptr && list->kind <= List::Kind::tuple));
}

Result<Value> iterable(const Call& call) {
  return Value(as<Text>(call.subject) != nullptr || as<Dict>(call.subject) != nullptr ||
               as<List>(call.subject) != nullptr || is_undefined(call.subject) || as<Loop>(call.subject) != nullptr);
}

Result<Value> callable(const Call& call) {
  return Value(is_undefined(call.subject) || as<Method>(call.subject) != nullptr ||
               std::holds_alternative<const Macro*>(call.subject) ||
               std::holds_alternative<const Function*>(call.subject));
}

Result<const Value*> other(const Call& call) {
  const Value* value = call.argument(0);
  if (value != nullptr) return value;
  return Error(Code::failed, std::string(call.function.name) + " wants something to compare with");
}

template <bool wanted>
Result<Value> equals(const Call& call) {
  const auto value = other(call);
  if (!value) return value.error();
  const auto same = equal(call.subject, **value, call.budget());
  if (!same) return same.error();
  return Value(*same == wanted);
}

template <bool (*holds)(int)>
Result<Value> ordered(const Call& call) {
  const auto value = other(call);
  if (!value) return value.error();
  const auto compared = order(call.subject, **value, call.budget());
  if (!compared) return compared.error();
  return Value(holds(*compared));
}
bool below(int compared) { return compared < 0; }
bool above(int compared) { return compared > 0; }
bool at_most(int compared) { return compared <= 0; }
bool at_least(int compared) { return compared >= 0; }

Result<Value> in(const Call& call) {
  const auto container = other(call);
  if (!container) return container.error();
  const auto found = contains(**container, call.subject, call.budget());
  if (!found) return found.error();
  return Value(*found);
}

template <std::int64_t rest>
Result<Value> leaves(const Call& call) {
  const auto left = calculate(Arithmetic::remainder, call.subject, Value(std::int64_t{2}), call.budget());
  if (!left) return left.error();
  return Value(equal_scalars(*left, Value(rest)));
}

Result<Value> divisible(const Call& call) {
  const auto by = other(call);
  if (!by) return by.error();
  const auto left = calculate(Arithmetic::remainder, call.subject, **by, call.budget());
  if (!left) return left.error();
  return Value(equal_scalars(*left, Value(std::int64_t{0})));
}

/// Whether a text has letters of one case and none of the other.
template <char32_t (*other_case)(char32_t), char32_t (*own_case)(char32_t)>
Result<Value> in_case(const Call& call) {
  const Text* text = as<Text>(call.subject);
  if (text == nullptr) return Value(false);
  if (!call.budget().spend(text->size() / 8)) return exhausted();
  bool has_own = false;
  for (std::string_view rest = text->view(); !rest.empty();) {
    const auto c = first_char(rest);
    if (own_case(c.code) != c.code) return Value(false);
    has_own = has_own || other_case(c.code) != c.code;
    rest.remove_prefix(c.length);
  }
  return Value(has_own);
}

constexpr Function tests[] = {
    {"!=", "other", equals<false>},
    {"<", "other", ordered<below>},
    {"<=", "other", ordered<at_most>},
    {"==", "other", equals<true>},
    {">", "other", ordered<above>},
    {">=", "other", ordered<at_least>},
    {"boolean", "", holds<bool>},
    {"callable", "", callable},
    {"defined", "", defined},
    {"divisibleby", "num", divisible},
    {"eq", "other", equals<true>},
    {"equalto", "other", equals<true>},
    {"even", "", leaves<0>},
    {"false", "", truth<false>},
    {"float", "", holds<double>},
    {"ge", "other", ordered<at_least>},
    {"greaterthan", "other", ordered<above>},
    {"gt", "other", ordered<above>},
    {"in", "seq", in},
    {"integer", "", holds<std::int64_t>},
    {"iterable", "", iterable},
    {"le", "other", ordered<at_most>},
    {"lessthan", "other", ordered<below>},
    {"lower", "", in_case<to_upper, to_lower>},
    {"lt", "other", ordered<below>},
    {"mapping", "", is<Dict>},
    {"ne", "other", equals<false>},
    {"none", "", holds<None>},
    {"number", "", number},
    {"odd", "", leaves<1>},
    {"sequence", "", sequence},
    {"string", "", is<Text>},
    {"true", "", truth<true>},
    {"undefined", "", holds<Undefined>},
    {"upper", "", in_case<to_lower, to_upper>},
};

}  // namespace

const Function* find_test(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(tests), std::end(tests), [&](const Function& test) { return test.name == name; });
  return found == std::end(tests) ? nullptr : found;
}

}  // namespace troupe::jinja
