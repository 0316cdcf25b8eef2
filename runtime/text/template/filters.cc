#include <algorithm>
#include <charconv>
#include <cmath>

#include "runtime/text/template/arguments.hpp"
#include "runtime/text/template/characters.hpp"
#include "runtime/text/template/json.hpp"
#include "runtime/text/template/list_filters.hpp"
#include "runtime/text/template/operators.hpp"
#include "runtime/text/template/print.hpp"
#include "runtime/text/template/text_functions.hpp"

namespace troupe::jinja {
namespace {

/// A method of texts as a filter, which takes whatever can be printed.
Result<Value> by_method(const Call& call) {
  const auto text = printed(call.subject, call.budget());
  if (!text) return text.error();
  const std::string_view name = call.function.name == "trim" ? "strip" : call.function.name;
  return jinja::call(call.world, *find_method(*text, name), *text, call.given);
}

Result<Value> as_text(const Call& call) {
  const auto text = printed(call.subject, call.budget());
  if (!text) return text.error();
  return Value(*text);
}

Result<Value> safe(const Call& call) {
  const auto text = printed(call.subject, call.budget());
  if (!text) return text.error();
  if (!call.budget().make((*text)->memory())) return exhausted();
  Text out = **text;
  out.mark_safe();
  return text_value(std::move(out));
}

Result<Value> replace(const Call& call) {
  const auto text = printed(call.subject, call.budget());
  if (!text) return text.error();
  if (call.argument(0) == nullptr || call.argument(1) == nullptr) {
    return Error(Code::failed, "replace wants what to replace, and by what");
  }
  const auto old = printed(*call.argument(0), call.budget()), fresh = printed(*call.argument(1), call.budget());
  const auto most = whole_argument(call, 2, -1);
  if (!old) return old.error();
  if (!fresh) return fresh.error();
  if (!most) return most.error();
  return replaced(**text, **old, **fresh, *most, call.budget());
}

Result<Value> title(const Call& call) {
  const auto text = printed(call.subject, call.budget());
  if (!text) return text.error();
  const auto map = [](char32_t code, char32_t before) {
    const bool begins =
        before == 0 || is_space(before) || std::u32string_view(U"-({[<").find(before) != std::u32string_view::npos;
    return begins ? to_upper(code) : to_lower(code);
  };
  return mapped(**text, map, call.budget());
}

Result<Value> fallback(const Call& call) {
  const bool wanted = is_undefined(call.subject) || (call.flag(1) && !is_true(call.subject));
  if (!wanted) return call.subject;
  return call.argument(0) == nullptr ? text_value(Text()) : *call.argument(0);
}

Result<Value> count(const Call& call) {
  const auto size = length(call.subject, call.budget());
  if (!size) return size.error();
  return Value(*size);
}

Result<Value> magnitude(const Call& call) {
  const auto below = order(call.subject, Value(std::int64_t{0}), call.budget());
  if (!below) return below.error();
  return *below < 0 ? negated(call.subject) : Result<Value>(call.subject);
}

/// The number that a text is; nothing where it is none.
template <class Number>
bool read_number(const Value& value, Number& number) {
  const Text* text = as<Text>(value);
  if (text == nullptr) return false;
  std::string_view view = text->view();
  view.remove_prefix(space_before(view));
  view.remove_suffix(space_behind(view));
  if (view.starts_with('+')) view.remove_prefix(1);
  const auto [stop, error] = std::from_chars(view.data(), view.data() + view.size(), number);
  return error == std::errc() && stop == view.data() + view.size() && !view.empty();
}

Result<Value> to_float(const Call& call) {
  double number = 0;
  if (is_undefined(call.subject)) return wrong_subject(call, "a number or a text");
  if (const auto* real = std::get_if<double>(&call.subject)) return Value(*real);
  if (const auto* whole = std::get_if<std::int64_t>(&call.subject)) return Value(static_cast<double>(*whole));
  if (const auto* truth = std::get_if<bool>(&call.subject)) return Value(*truth ? 1.0 : 0.0);
  if (read_number(call.subject, number)) return Value(number);
  return call.argument(0) == nullptr ? Value(0.0) : *call.argument(0);
}

Result<Value> to_int(const Call& call) {
  std::int64_t whole = 0;
  double real = 0;
  if (is_undefined(call.subject)) return wrong_subject(call, "a number or a text");
  if (const auto* number = std::get_if<std::int64_t>(&call.subject)) return Value(*number);
  if (const auto* truth = std::get_if<bool>(&call.subject)) return Value(std::int64_t{*truth ? 1 : 0});
  if (read_number(call.subject, whole)) return Value(whole);
  const auto* number = std::get_if<double>(&call.subject);
  if (number != nullptr || read_number(call.subject, real)) {
    const double value = std::trunc(number != nullptr ? *number : real);
    if (std::abs(value) < 0x1p63) return Value(static_cast<std::int64_t>(value));
  }
  return call.argument(0) == nullptr ? Value(std::int64_t{0}) : *call.argument(0);
}

/// What an `indent` argument means: so many spaces, or a text.
Result<Text> indentation(const Value& value, Budget& budget) {
  if (const Text* text = as<Text>(value)) return *text;
  const auto* spaces = std::get_if<std::int64_t>(&value);
  if (spaces == nullptr) return Error(Code::failed, "an indent is a number or a text");
  if (*spaces <= 0) return Text();
  if (!budget.make(static_cast<std::uint64_t>(*spaces))) return exhausted();
  return Text(std::string(static_cast<std::size_t>(*spaces), ' '), Author::model_maker);
}

Result<Value> indent(const Call& call) {
  const auto text = printed(call.subject, call.budget());
  if (!text) return text.error();
  const Value* width = call.argument(0);
  const auto spaces = indentation(width == nullptr ? Value(std::int64_t{4}) : *width, call.budget());
  if (!spaces) return spaces.error();
  if (!call.budget().make((*text)->memory())) return exhausted();
  Text whole = **text;
  whole.append("\n", Author::model_maker);  // as Jinja2 does: then an empty line at the end counts
  const auto lines = split_lines(whole, call.budget());
  if (!lines) return lines.error();
  Text out;
  bool first = true;
  for (const Value& each : as<List>(*lines)->items) {
    const Text& line = *as<Text>(each);
    const bool indented = first ? call.flag(1) : line.size() != 0 || call.flag(2);
    if (!call.budget().make(line.memory() + spaces->memory() + 1)) return exhausted();
    if (!first) out.append("\n", Author::model_maker);
    if (indented) out.append(*spaces);
    out.append(line);
    first = false;
  }
  return text_value(std::move(out));
}

Result<void> read_separators(const Value& value, JsonStyle& style) {
  if (std::holds_alternative<None>(value)) return {};
  const List* pair = as<List>(value);
  const bool fits = pair != nullptr && pair->items.size() == 2 && as<Text>(pair->items[0]) != nullptr &&
                    as<Text>(pair->items[1]) != nullptr;
  if (!fits) return Error(Code::failed, "tojson wants two texts as separators");
  style.between = as<Text>(pair->items[0])->bytes();
  style.after_key = as<Text>(pair->items[1])->bytes();
  return {};
}

/// json.dumps with the parameters that Hugging Face gives it.
Result<Value> tojson(const Call& call) {
  JsonStyle style;
  style.ascii = call.flag(0);
  style.sort_keys = call.flag(3);
  if (const Value* width = call.argument(1); width != nullptr && !std::holds_alternative<None>(*width)) {
    const auto spaces = indentation(*width, call.budget());
    if (!spaces) return spaces.error();
    style.indent = spaces->bytes();
    style.between = ",";
  }
  if (const Value* separators = call.argument(2)) {
    if (const auto read = read_separators(*separators, style); !read) return read.error();
  }
  if (!call.budget().make(style.between.size() + style.after_key.size())) return exhausted();
  return to_json(call.subject, style, call.budget());
}

Result<Value> from_json(const Call& call) {
  const Text* text = as<Text>(call.subject);
  if (text == nullptr) return wrong_subject(call, "a text");
  if (!call.budget().make(text->size() * 64)) return exhausted();
  return parse_json(text->view());
}

constexpr Function filters[] = {
    {"abs", "", magnitude},
    {"capitalize", "", by_method},
    {"count", "", count},
    {"d", "default_value boolean", fallback},
    {"default", "default_value boolean", fallback},
    {"dictsort", "case_sensitive by reverse", filter_dictsort},
    {"first", "", filter_first},
    {"float", "default", to_float},
    {"from_json", "", from_json},
    {"indent", "width first blank", indent},
    {"int", "default", to_int},
    {"items", "", filter_items},
    {"join", "d attribute", filter_join},
    {"last", "", filter_last},
    {"length", "", count},
    {"list", "", filter_list},
    {"lower", "", by_method},
    {"map", "*", filter_map},
    {"max", "case_sensitive attribute", filter_max},
    {"min", "case_sensitive attribute", filter_min},
    {"reject", "*", filter_reject},
    {"rejectattr", "*", filter_rejectattr},
    {"replace", "old new count", replace},
    {"reverse", "", filter_reverse},
    {"safe", "", safe},
    {"select", "*", filter_select},
    {"selectattr", "*", filter_selectattr},
    {"sort", "reverse case_sensitive attribute", filter_sort},
    {"string", "", as_text},
    {"sum", "attribute start", filter_sum},
    {"title", "", title},
    {"tojson", "ensure_ascii indent separators sort_keys", tojson},
    {"trim", "chars", by_method},
    {"unique", "case_sensitive attribute", filter_unique},
    {"upper", "", by_method},
};

}  // namespace

const Function* find_filter(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(filters), std::end(filters), [&](const Function& each) { return each.name == name; });
  return found == std::end(filters) ? nullptr : found;
}

}  // namespace troupe::jinja
