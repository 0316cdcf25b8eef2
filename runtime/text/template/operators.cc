#include "runtime/text/template/operators.hpp"

#include <algorithm>
#include <cmath>

#include "runtime/text/template/characters.hpp"
#include "runtime/text/template/text_functions.hpp"

namespace troupe::jinja {
namespace {

Error mismatch(std::string_view verb, const Value& left, std::string_view between, const Value& right) {
  return {Code::failed, "cannot " + std::string(verb) + " " + std::string(kind_of(left)) + " " + std::string(between) +
                            " " + std::string(kind_of(right))};
}

Error too_large() { return {Code::failed, "a whole number leaves the range of 64 bits"}; }

std::optional<std::int64_t> whole(const Value& value) {
  if (const auto* truth = std::get_if<bool>(&value)) return *truth ? 1 : 0;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return *number;
  return {};
}

std::optional<double> real(const Value& value) {
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto number = whole(value)) return static_cast<double>(*number);
  return {};
}

Result<Value> power(std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) return Value(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  std::int64_t result = 1;
  if (base >= -1 && base <= 1) return Value(exponent == 0 ? 1 : base == -1 && exponent % 2 == 0 ? 1 : base);
  for (; exponent > 0; --exponent) {  // at most 63 times, or it is too large
    if (__builtin_mul_overflow(result, base, &result)) return too_large();
  }
  return Value(result);
}

Result<Value> of_wholes(Arithmetic op, std::int64_t left, std::int64_t right) {
  std::int64_t result = 0;
  if (op == Arithmetic::power) return power(left, right);
  if (op == Arithmetic::add && !__builtin_add_overflow(left, right, &result)) return Value(result);
  if (op == Arithmetic::subtract && !__builtin_sub_overflow(left, right, &result)) return Value(result);
  if (op == Arithmetic::multiply && !__builtin_mul_overflow(left, right, &result)) return Value(result);
  if (op == Arithmetic::add || op == Arithmetic::subtract || op == Arithmetic::multiply) return too_large();
  if (right == -1) {  // apart from the rest, for the least number has no opposite
    if (op == Arithmetic::remainder) return Value(std::int64_t{0});
    return __builtin_sub_overflow(std::int64_t{0}, left, &result) ? Result<Value>(too_large()) : Value(result);
  }
  const bool down = left % right != 0 && (left < 0) != (right < 0);
  if (op == Arithmetic::floor_divide) return Value(left / right - (down ? 1 : 0));
  return Value(left % right + (down ? right : 0));
}

Result<Value> of_reals(Arithmetic op, double left, double right) {
  switch (op) {
    case Arithmetic::add:
      return Value(left + right);
    case Arithmetic::subtract:
      return Value(left - right);
    case Arithmetic::multiply:
      return Value(left * right);
    case Arithmetic::divide:
      return Value(left / right);
    case Arithmetic::floor_divide:
      return Value(std::floor(left / right));
    case Arithmetic::remainder:
      break;
    case Arithmetic::power:
      return Value(std::pow(left, right));
  }
  const double rest = std::fmod(left, right);
  return Value(rest != 0 && (rest < 0) != (right < 0) ? rest + right : rest);
}

Result<Value> of_numbers(Arithmetic op, const Value& left, const Value& right) {
  const bool divides = op == Arithmetic::divide || op == Arithmetic::floor_divide || op == Arithmetic::remainder;
  if (divides && *real(right) == 0) return Error(Code::failed, "division by zero");
  const auto whole_left = whole(left), whole_right = whole(right);
  if (whole_left && whole_right && op != Arithmetic::divide) return of_wholes(op, *whole_left, *whole_right);
  return of_reals(op, *real(left), *real(right));
}

/// As HTML, where it is not yet.
Result<Text> escaped(const Text& text, Budget& budget) {
  constexpr std::pair<std::string_view, std::string_view> escapes[] = {
      {"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"'", "&#39;"}, {"\"", "&#34;"}};
  if (text.is_safe()) return text;
  Value out = text_value(text);
  for (const auto& [old, fresh] : escapes) {
    auto next = replaced(*as<Text>(out), Text(std::string(old), Author::conversation),
                         Text(std::string(fresh), Author::conversation), -1, budget);
    if (!next) return next.error();
    out = std::move(*next);
  }
  return *as<Text>(out);
}

Result<Value> joined_as_html(const Text& left, const Text& right, Budget& budget) {
  auto out = escaped(left, budget);
  const auto rest = escaped(right, budget);
  if (!out) return out.error();
  if (!rest) return rest.error();
  out->append(*rest);
  out->mark_safe();
  return text_value(std::move(*out));
}

Result<Value> joined(const Text& left, const Text& right, Budget& budget) {
  if (left.is_safe() || right.is_safe()) return joined_as_html(left, right, budget);
  if (!budget.make(left.memory() + right.memory())) return exhausted();
  Text out = left;
  out.append(right);
  return text_value(std::move(out));
}

Result<Value> joined(const List& left, const List& right, Budget& budget) {
  if (!budget.make((left.items.size() + right.items.size()) * sizeof(Value))) return exhausted();
  std::vector<Value> items = left.items;
  items.insert(items.end(), right.items.begin(), right.items.end());
  return list_value(std::move(items), left.kind);
}

bool is_sequence(const List& list) { return list.kind == List::Kind::list || list.kind == List::Kind::tuple; }

Result<Value> repeated(const Value& value, std::int64_t times, Budget& budget) {
  const auto count = static_cast<std::uint64_t>(std::max<std::int64_t>(times, 0));
  const Text* text = as<Text>(value);
  const List* list = as<List>(value);
  std::uint64_t bytes = text != nullptr ? text->memory() : list->items.size() * sizeof(Value);
  if (__builtin_mul_overflow(bytes, count, &bytes) || !budget.make(bytes)) return exhausted();
  if (bytes == 0) return text != nullptr ? text_value(Text()) : list_value({}, list->kind);
  if (text != nullptr) {
    Text out = text->part(0, 0);
    for (std::uint64_t i = 0; i < count; ++i) out.append(*text);
    return text_value(std::move(out));
  }
  std::vector<Value> items;
  for (std::uint64_t i = 0; i < count; ++i) items.insert(items.end(), list->items.begin(), list->items.end());
  return list_value(std::move(items), list->kind);
}

bool can_repeat(const Value& value) {
  const List* list = as<List>(value);
  return as<Text>(value) != nullptr || (list != nullptr && is_sequence(*list));
}

Result<bool> equal_lists(const List& left, const List& right, Budget& budget) {
  if (left.kind != right.kind || left.items.size() != right.items.size()) return false;
  for (std::size_t i = 0; i < left.items.size(); ++i) {
    const auto same = equal(left.items[i], right.items[i], budget);
    if (!same || !*same) return same;
  }
  return true;
}

Result<bool> equal_dicts(const Dict& left, const Dict& right, Budget& budget) {
  if (left.entries().size() != right.entries().size()) return false;
  for (const auto& [key, value] : left.entries()) {
    const auto other = look_up(right, key, budget);
    if (!other) return other.error();
    if (*other == nullptr) return false;
    const auto same = equal(value, **other, budget);
    if (!same || !*same) return same;
  }
  return true;
}

Result<int> order_lists(const List& left, const List& right, Budget& budget) {
  const std::size_t common = std::min(left.items.size(), right.items.size());
  for (std::size_t i = 0; i < common; ++i) {
    const auto same = equal(left.items[i], right.items[i], budget);
    if (!same) return same.error();
    if (!*same) return order(left.items[i], right.items[i], budget);
  }
  return static_cast<int>(left.items.size() > common) - static_cast<int>(right.items.size() > common);
}

/// A number of a slice; nothing where it is not given.
Result<std::optional<std::int64_t>> bound(const Value& value) {
  if (is_undefined(value) || std::holds_alternative<None>(value)) return std::optional<std::int64_t>();
  if (const auto number = whole(value)) return number;
  return Error(Code::failed, "a slice wants whole numbers, not " + std::string(kind_of(value)));
}

/// Which elements a slice takes: `count` of them, from `first` on.
struct Range {
  std::int64_t first, step, count;
};

Result<Range> resolve(const Slicing& bounds, std::int64_t size) {
  const auto start = bound(bounds.start), stop = bound(bounds.stop), step = bound(bounds.step);
  for (const auto* each : {&start, &stop, &step}) {
    if (!*each) return each->error();
  }
  const std::int64_t by = std::clamp((*step).value_or(1), -size - 1, size + 1);
  if (by == 0) return Error(Code::failed, "a slice's step cannot be zero");
  const std::int64_t least = by < 0 ? -1 : 0, most = by < 0 ? size - 1 : size;
  const auto place = [&](std::optional<std::int64_t> at, std::int64_t otherwise) {
    if (!at) return otherwise;
    return std::clamp(*at < 0 ? std::max(*at, -size - 1) + size : *at, least, most);
  };
  const std::int64_t from = place(*start, by < 0 ? most : least), to = place(*stop, by < 0 ? least : most);
  const std::int64_t distance = by < 0 ? from - to : to - from, stride = by < 0 ? -by : by;
  return Range{from, by, std::max<std::int64_t>(0, (distance + stride - 1) / stride)};
}

Result<Value> slice_of_text(const Text& text, const Slicing& bounds, Budget& budget) {
  if (!budget.scan(text.size()) || !budget.make(text.memory())) return exhausted();
  const auto range = resolve(bounds, static_cast<std::int64_t>(count_characters(text.view())));
  if (!range) return range.error();
  if (range->count == 0) return text_value(Text());
  if (range->step == 1) {
    const std::size_t begin = byte_of(text.view(), static_cast<std::size_t>(range->first));
    return text_value(
        text.part(begin, begin + byte_of(text.view().substr(begin), static_cast<std::size_t>(range->count))));
  }
  std::vector<std::size_t> starts;
  if (!budget.make(text.size() * sizeof(std::size_t))) return exhausted();
  for (std::size_t at = 0; at < text.size(); at += length_of_first(text.view().substr(at))) starts.push_back(at);
  Text out;
  for (std::int64_t i = 0; i < range->count; ++i) {
    const std::size_t begin = starts[static_cast<std::size_t>(range->first + i * range->step)];
    out.append(text, begin, begin + length_of_first(text.view().substr(begin)));
  }
  return text_value(std::move(out));
}

Result<Value> slice_of_list(const List& list, const Slicing& bounds, Budget& budget) {
  const auto range = resolve(bounds, static_cast<std::int64_t>(list.items.size()));
  if (!range) return range.error();
  if (!budget.make(static_cast<std::uint64_t>(range->count) * sizeof(Value))) return exhausted();
  std::vector<Value> items;
  for (std::int64_t i = 0; i < range->count; ++i) {
    items.push_back(list.items[static_cast<std::size_t>(range->first + i * range->step)]);
  }
  return list_value(std::move(items), list.kind);
}

Result<Value> character(const Text& text, std::int64_t index, Budget& budget) {
  if (!budget.scan(2 * text.size())) return exhausted();
  const auto size = static_cast<std::int64_t>(count_characters(text.view()));
  if (index < 0) index += size;
  if (index < 0 || index >= size) return Value(Undefined());
  const std::size_t begin = byte_of(text.view(), static_cast<std::size_t>(index));
  return text_value(text.part(begin, begin + length_of_first(text.view().substr(begin))));
}

}  // namespace

Result<Value> calculate(Arithmetic op, const Value& left, const Value& right, Budget& budget) {
  constexpr std::string_view verbs[] = {"add", "subtract", "multiply", "divide", "divide", "divide", "raise"};
  constexpr std::string_view between[] = {"and", "and", "and", "by", "by", "by", "to"};
  if (real(left) && real(right)) return of_numbers(op, left, right);
  if (op == Arithmetic::add) {
    const Text *text = as<Text>(left), *more = as<Text>(right);
    if (text != nullptr && more != nullptr) return joined(*text, *more, budget);
    const List *list = as<List>(left), *others = as<List>(right);
    if (list != nullptr && others != nullptr && is_sequence(*list) && list->kind == others->kind) {
      return joined(*list, *others, budget);
    }
  }
  if (op == Arithmetic::multiply) {
    if (can_repeat(left) && whole(right)) return repeated(left, *whole(right), budget);
    if (can_repeat(right) && whole(left)) return repeated(right, *whole(left), budget);
  }
  const auto index = static_cast<std::size_t>(op);
  return mismatch(verbs[index], left, between[index], right);
}

Result<Value> negated(const Value& value) {
  if (const auto number = whole(value)) return of_wholes(Arithmetic::subtract, 0, *number);
  if (const auto number = real(value)) return Value(-*number);
  return Error(Code::failed, "there is no negative of " + std::string(kind_of(value)));
}

std::optional<long double> number_of(const Value& value) {
  if (const auto number = whole(value)) return static_cast<long double>(*number);
  if (const auto number = real(value)) return static_cast<long double>(*number);
  return {};
}

bool equal_scalars(const Value& left, const Value& right) {
  const auto one = number_of(left), other = number_of(right);
  if (one && other) return *one == *other;
  const Text *text = as<Text>(left), *same = as<Text>(right);
  if (text != nullptr && same != nullptr) return text->view() == same->view();
  return left.index() == right.index() && left.index() <= Value(None()).index();
}

Result<bool> equal(const Value& left, const Value& right, Budget& budget) {
  if (!budget.spend()) return exhausted();
  if (const Text* text = as<Text>(left); text != nullptr && !budget.scan(text->size())) return exhausted();
  const List *list = as<List>(left), *other_list = as<List>(right);
  if (list != nullptr && other_list != nullptr) return equal_lists(*list, *other_list, budget);
  const Dict *dict = as<Dict>(left), *other_dict = as<Dict>(right);
  if (dict != nullptr && other_dict != nullptr) return equal_dicts(*dict, *other_dict, budget);
  return equal_scalars(left, right) || (left.index() > Value(DictRef()).index() && left == right);
}

Result<int> order(const Value& left, const Value& right, Budget& budget) {
  if (!budget.spend()) return exhausted();
  const auto one = number_of(left), other = number_of(right);
  if (one && other) return static_cast<int>(*one > *other) - static_cast<int>(*one < *other);
  const Text *text = as<Text>(left), *other_text = as<Text>(right);
  if (text != nullptr && other_text != nullptr) {
    if (!budget.scan(std::min(text->size(), other_text->size()))) return exhausted();
    const int compared = text->view().compare(other_text->view());
    return static_cast<int>(compared > 0) - static_cast<int>(compared < 0);
  }
  const List *list = as<List>(left), *other_list = as<List>(right);
  if (list != nullptr && other_list != nullptr && is_sequence(*list) && list->kind == other_list->kind) {
    return order_lists(*list, *other_list, budget);
  }
  return mismatch("order", left, "and", right);
}

Result<bool> contains(const Value& container, const Value& item, Budget& budget) {
  if (is_undefined(container)) return false;
  if (const Text* text = as<Text>(container)) {
    const Text* part = as<Text>(item);
    if (part == nullptr) return Error(Code::failed, "only a text can be in a text, not " + std::string(kind_of(item)));
    if (!budget.search(text->size(), part->size())) return exhausted();
    return text->view().find(part->view()) != std::string_view::npos;
  }
  if (const Dict* dict = as<Dict>(container)) {
    const auto found = look_up(*dict, item, budget);
    if (!found) return found.error();
    return *found != nullptr;
  }
  const List* list = as<List>(container);
  if (list == nullptr) return Error(Code::failed, "nothing can be in " + std::string(kind_of(container)));
  for (const Value& each : list->items) {
    const auto same = equal(each, item, budget);
    if (!same || *same) return same;
  }
  return false;
}

Result<const Value*> look_up(const Dict& dict, const Value& key, Budget& budget) {
  if (!can_be_key(key)) return Error(Code::failed, std::string(kind_of(key)) + " cannot be a key of a dict");
  const Text* text = as<Text>(key);
  if (text != nullptr && !budget.scan(text->size())) return exhausted();
  return dict.find(key);
}

Result<std::int64_t> length(const Value& value, Budget& budget) {
  if (is_undefined(value)) return std::int64_t{0};
  if (const Dict* dict = as<Dict>(value)) return static_cast<std::int64_t>(dict->entries().size());
  if (const Text* text = as<Text>(value)) {
    if (!budget.scan(text->size())) return exhausted();
    return static_cast<std::int64_t>(count_characters(text->view()));
  }
  const List* list = as<List>(value);
  if (list != nullptr && list->kind != List::Kind::generator) return static_cast<std::int64_t>(list->items.size());
  return Error(Code::failed, (list != nullptr ? "what a filter gives one by one" : std::string(kind_of(value))) +
                                 " has no length" + (list != nullptr ? "; make it a list first" : ""));
}

Result<ListRef> elements(const Value& value, Budget& budget) {
  static const ListRef none = std::make_shared<const List>();
  if (const auto* list = std::get_if<ListRef>(&value)) return *list;
  if (is_undefined(value)) return none;
  List out;
  if (const Dict* dict = as<Dict>(value)) {
    if (!budget.make(dict->entries().size() * sizeof(Value))) return exhausted();
    for (const auto& entry : dict->entries()) out.items.push_back(entry.first);
  } else if (const Text* text = as<Text>(value)) {
    if (!budget.make(text->size() * (sizeof(Value) + sizeof(Text) + 64))) return exhausted();
    for (std::size_t at = 0, length = 0; at < text->size(); at += length) {
      length = length_of_first(text->view().substr(at));
      out.items.push_back(text_value(text->part(at, at + length)));
    }
  } else {
    return Error(Code::failed, "cannot go through " + std::string(kind_of(value)));
  }
  return ListRef(std::make_shared<const List>(std::move(out)));
}

Result<Value> element(const Value& value, const Value& key, Budget& budget) {
  if (is_undefined(value)) return Error(Code::failed, "an undefined value has no elements");
  if (const Dict* dict = as<Dict>(value)) {
    const auto found = can_be_key(key) ? look_up(*dict, key, budget) : Result<const Value*>(nullptr);
    if (!found) return found.error();
    return *found == nullptr ? Value(Undefined()) : **found;
  }
  const auto index = whole(key);
  if (!index) return Value(Undefined());
  if (const Text* text = as<Text>(value)) return character(*text, *index, budget);
  const List* list = as<List>(value);
  if (list == nullptr || !is_sequence(*list)) return Value(Undefined());
  const auto size = static_cast<std::int64_t>(list->items.size());
  if (*index < -size || *index >= size) return Value(Undefined());
  return list->items[static_cast<std::size_t>(*index < 0 ? *index + size : *index)];
}

Result<Value> slice(const Value& value, const Slicing& bounds, Budget& budget) {
  if (is_undefined(value)) return Error(Code::failed, "an undefined value cannot be cut");
  if (const Text* text = as<Text>(value)) return slice_of_text(*text, bounds, budget);
  const List* list = as<List>(value);
  if (list == nullptr || !is_sequence(*list)) return Value(Undefined());
  return slice_of_list(*list, bounds, budget);
}

}  // namespace troupe::jinja
