#include "runtime/text/template/value.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/text/template/operators.hpp"

namespace troupe::jinja {
namespace {

Error too_deep() {
  return {Code::failed, "lists and dicts are nested deeper than " + std::to_string(deepest_value) + " levels"};
}

}  // namespace

const Value* Dict::find(std::string_view key) const {
  const auto found = by_text_.find(key);
  return found == by_text_.end() ? nullptr : &entries_[found->second].second;
}

std::size_t Dict::place_of(const Value& key) const {
  const auto in = [](const auto& index, const auto& wanted) {
    const auto found = index.find(wanted);
    return found == index.end() ? nowhere : found->second;
  };
  if (const Text* text = as<Text>(key)) return in(by_text_, text->view());
  const auto number = number_of(key);
  if (!number) return none_;
  return std::isnan(*number) ? nowhere : in(by_number_, *number);
}

const Value* Dict::find(const Value& key) const {
  const std::size_t place = place_of(key);
  return place == nowhere ? nullptr : &entries_[place].second;
}

void Dict::set(Value key, Value value) {
  depth_ = std::max(depth_, depth_of(value) + 1);
  const std::size_t place = place_of(key);
  if (place != nowhere) {
    entries_[place].second = std::move(value);
    return;
  }
  if (const Text* text = as<Text>(key)) {
    by_text_.emplace(text->view(), entries_.size());
  } else if (const auto number = number_of(key); !number) {
    none_ = entries_.size();
  } else if (!std::isnan(*number)) {
    by_number_.emplace(*number, entries_.size());
  }
  entries_.emplace_back(std::move(key), std::move(value));
}

void Dict::set(std::string_view key, Value value) {
  set(text_value(std::string(key), Author::model_maker), std::move(value));
}

Value text_value(std::string bytes, Author author) {
  return std::make_shared<const Text>(Text(std::move(bytes), author));
}

Value text_value(Text text) { return std::make_shared<const Text>(std::move(text)); }

Result<Value> list_value(std::vector<Value> items, List::Kind kind) {
  std::uint32_t depth = 0;
  for (const Value& item : items) depth = std::max(depth, depth_of(item));
  if (depth >= deepest_value) return too_deep();
  return Value(std::make_shared<const List>(List{std::move(items), kind, depth + 1}));
}

Result<Value> dict_value(Dict dict) {
  if (dict.depth() > deepest_value) return too_deep();
  return Value(std::make_shared<const Dict>(std::move(dict)));
}

bool is_true(const Value& value) {
  if (is_undefined(value) || std::holds_alternative<None>(value)) return false;
  if (const auto* truth = std::get_if<bool>(&value)) return *truth;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return *number != 0;
  if (const auto* number = std::get_if<double>(&value)) return *number != 0;
  if (const Text* text = as<Text>(value)) return text->size() != 0;
  if (const List* list = as<List>(value)) return list->kind == List::Kind::generator || !list->items.empty();
  if (const Dict* dict = as<Dict>(value)) return !dict->entries().empty();
  return true;
}

bool can_be_key(const Value& value) { return !is_undefined(value) && value.index() <= Value(TextRef()).index(); }

std::uint32_t depth_of(const Value& value) {
  if (const List* list = as<List>(value)) return list->depth;
  if (const Dict* dict = as<Dict>(value)) return dict->depth();
  if (const Loop* loop = as<Loop>(value)) return loop->items->depth + 1;
  if (const Method* method = as<Method>(value)) return depth_of(method->self) + 1;
  return 0;
}

std::string_view kind_of(const Value& value) {
  constexpr std::array<std::string_view, std::variant_size_v<Value>> names = {"an undefined value",
                                                                              "none",
                                                                              "a boolean",
                                                                              "a whole number",
                                                                              "a number",
                                                                              "a text",
                                                                              "a list",
                                                                              "a dict",
                                                                              "a loop",
                                                                              "a method",
                                                                              "a namespace",
                                                                              "a macro",
                                                                              "a function"};
  return names[value.index()];
}

}  // namespace troupe::jinja
