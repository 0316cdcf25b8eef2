#include <algorithm>
#include <array>

#include "runtime/text/template/json.hpp"
#include "runtime/text/template/operators.hpp"
#include "runtime/text/template/print.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe::jinja {
namespace {

void append_unit(std::string& out, char32_t unit) {
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += "0123456789abcdef"[(unit >> shift) & 15U];
}

void append_escaped(std::string& out, char32_t code) {
  if (code < 0x10000) return append_unit(out, code);
  append_unit(out, 0xD800 + ((code - 0x10000) >> 10));
  append_unit(out, 0xDC00 + ((code - 0x10000) & 0x3FF));
}

/// What stands for a character that has an escape of its own; empty for others.
std::string_view short_escape(char32_t code) {
  constexpr std::array<std::pair<char32_t, std::string_view>, 7> escapes = {
      {{'"', "\\\""}, {'\\', "\\\\"}, {'\n', "\\n"}, {'\r', "\\r"}, {'\t', "\\t"}, {'\b', "\\b"}, {'\f', "\\f"}}};
  for (const auto& [escaped, text] : escapes) {
    if (escaped == code) return text;
  }
  return {};
}

void append_string(std::string& out, std::string_view text, bool ascii) {
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Char c = first_char(text.substr(at));
    if (const auto escape = short_escape(c.code); !escape.empty()) {
      out += escape;
    } else if (c.code < 0x20 || (ascii && c.code > 0x7E)) {
      append_escaped(out, c.code);
    } else {
      out += text.substr(at, c.length);
    }
    at += c.length;
  }
  out += '"';
}

std::string number(double value) {
  const std::string text = python_number(value);
  return text == "nan" ? "NaN" : text == "inf" ? "Infinity" : text == "-inf" ? "-Infinity" : text;
}

class Writer {
 public:
  Writer(const JsonStyle& style, Budget& budget) : style_(style), budget_(budget) {}

  [[nodiscard]] Result<void> write(const Value& value) {
    if (!budget_.spend()) return exhausted();
    if (const Text* text = as<Text>(value)) return string(text->view());
    if (!budget_.make(32)) return exhausted();
    if (const List* list = as<List>(value); list != nullptr && list->kind <= List::Kind::tuple) return array(*list);
    if (const Dict* dict = as<Dict>(value)) return object(*dict);
    return scalar(value);
  }

  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  [[nodiscard]] Result<void> string(std::string_view text) {
    if (!budget_.make(8 * text.size() + 2)) return exhausted();
    append_string(out_, text, style_.ascii);
    return {};
  }

  [[nodiscard]] Result<void> scalar(const Value& value) {
    if (std::holds_alternative<None>(value)) {
      out_ += "null";
    } else if (const auto* truth = std::get_if<bool>(&value)) {
      out_ += *truth ? "true" : "false";
    } else if (const auto* whole = std::get_if<std::int64_t>(&value)) {
      out_ += std::to_string(*whole);
    } else if (const auto* real = std::get_if<double>(&value)) {
      out_ += number(*real);
    } else {
      return Error(Code::failed, "JSON has no way to write " + std::string(kind_of(value)));
    }
    return {};
  }

  /// Begins an element's line.
  [[nodiscard]] Result<void> line(bool first) {
    if (!first) out_ += style_.between;
    return line_break();
  }

  [[nodiscard]] Result<void> line_break() {
    if (!style_.indent) return {};
    if (!budget_.make(style_.indent->size() * depth_ + 1)) return exhausted();
    out_ += '\n';
    for (std::size_t i = 0; i < depth_; ++i) out_ += *style_.indent;
    return {};
  }

  [[nodiscard]] Result<void> array(const List& list) {
    out_ += '[';
    ++depth_;
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      if (const auto begun = line(i == 0); !begun) return begun;
      if (const auto written = write(list.items[i]); !written) return written;
    }
    return close(list.items.empty(), ']');
  }

  [[nodiscard]] Result<void> object(const Dict& dict) {
    const auto entries = in_order(dict);
    if (!entries) return entries.error();
    out_ += '{';
    ++depth_;
    for (std::size_t i = 0; i < entries->size(); ++i) {
      const auto& [name, value] = *(*entries)[i];
      if (const auto begun = line(i == 0); !begun) return begun;
      if (const auto written = key(name); !written) return written;
      if (const auto written = write(value); !written) return written;
    }
    return close(entries->empty(), '}');
  }

  [[nodiscard]] Result<void> close(bool empty, char bracket) {
    --depth_;
    if (const auto begun = empty ? Result<void>() : line_break(); !begun) return begun;
    out_ += bracket;
    return {};
  }

  [[nodiscard]] Result<void> key(const Value& name) {
    const bool is_text = as<Text>(name) != nullptr;
    if (!is_text) out_ += '"';
    if (const auto written = write(name); !written) return written;
    if (!is_text) out_ += '"';
    out_ += style_.after_key;
    return {};
  }

  [[nodiscard]] Result<std::vector<const Dict::Entry*>> in_order(const Dict& dict) {
    if (!budget_.make(dict.entries().size() * sizeof(void*))) return exhausted();
    std::vector<const Dict::Entry*> entries;
    for (const auto& entry : dict.entries()) entries.push_back(&entry);
    if (!style_.sort_keys) return entries;
    std::optional<Error> failed;
    const auto before = [&](const Dict::Entry* left, const Dict::Entry* right) {
      const auto ordered = order(left->first, right->first, budget_);
      if (!ordered) failed = ordered.error();
      return ordered && *ordered < 0;
    };
    std::stable_sort(entries.begin(), entries.end(), before);
    if (failed) return *failed;
    return entries;
  }

  const JsonStyle& style_;
  Budget& budget_;
  std::string out_;
  std::size_t depth_ = 0;
};

}  // namespace

Result<Value> to_json(const Value& value, const JsonStyle& style, Budget& budget) {
  Writer writer(style, budget);
  if (const auto written = writer.write(value); !written) return written.error();
  return text_value(writer.take());
}

}  // namespace troupe::jinja
