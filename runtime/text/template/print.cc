#include "runtime/text/template/print.hpp"

#include <charconv>
#include <cmath>

#include "runtime/text/template/characters.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe::jinja {
namespace {

void append_hex(std::string& out, char32_t code, int digits) {
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out += "0123456789abcdef"[(code >> shift) & 15U];
}

void append_quoted(std::string& out, std::string_view text) {
  const bool has_single = text.find('\'') != text.npos, has_double = text.find('"') != text.npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  out += quote;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Char c = first_char(text.substr(at));
    if (c.code == static_cast<char32_t>(quote) || c.code == '\\') {
      out.append(1, '\\').append(1, text[at]);
    } else if (c.code == '\n' || c.code == '\r' || c.code == '\t') {
      out.append(c.code == '\n' ? "\\n" : c.code == '\r' ? "\\r" : "\\t");
    } else if (is_printable(c.code)) {
      out += text.substr(at, c.length);
    } else {
      out += c.code < 0x100 ? "\\x" : c.code < 0x10000 ? "\\u" : "\\U";
      append_hex(out, c.code, c.code < 0x100 ? 2 : c.code < 0x10000 ? 4 : 8);
    }
    at += c.length;
  }
  out += quote;
}

/// repr() of one value and of all that is in it.
class Printer {
 public:
  explicit Printer(Budget& budget) : budget_(budget) {}

  [[nodiscard]] Result<void> print(const Value& value) {
    if (!budget_.spend()) return exhausted();
    if (depth_ > 2 * deepest_value) return Error(Code::failed, "a namespace that is part of itself cannot be printed");
    ++depth_;
    const auto printed = of(value);
    --depth_;
    return printed;
  }

  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  [[nodiscard]] Result<void> of(const Value& value) {
    if (const Text* text = as<Text>(value)) {
      if (!budget_.make(10 * text->size() + 2)) return exhausted();
      append_quoted(out_, text->view());
      return {};
    }
    if (!budget_.make(32)) return exhausted();
    if (const List* list = as<List>(value)) return of_list(*list);
    if (const Dict* dict = as<Dict>(value)) return of_dict(*dict);
    if (const auto* space = std::get_if<Namespace*>(&value)) {
      out_ += "<Namespace ";
      const auto printed = of_dict((*space)->attributes);
      out_ += '>';
      return printed;
    }
    of_scalar(value);
    return {};
  }

  void of_scalar(const Value& value) {
    if (std::holds_alternative<None>(value)) {
      out_ += "None";
    } else if (const auto* truth = std::get_if<bool>(&value)) {
      out_ += *truth ? "True" : "False";
    } else if (const auto* number = std::get_if<std::int64_t>(&value)) {
      out_ += std::to_string(*number);
    } else if (const auto* real = std::get_if<double>(&value)) {
      out_ += python_number(*real);
    } else if (is_undefined(value)) {
      out_ += "Undefined";
    } else {
      out_.append("<").append(kind_of(value)).append(">");
    }
  }

  [[nodiscard]] Result<void> of_list(const List& list) {
    const bool tuple = list.kind == List::Kind::tuple;
    out_ += tuple ? '(' : '[';
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) out_ += ", ";
      if (const auto printed = print(list.items[i]); !printed) return printed;
    }
    if (tuple && list.items.size() == 1) out_ += ',';
    out_ += tuple ? ')' : ']';
    return {};
  }

  [[nodiscard]] Result<void> of_dict(const Dict& dict) {
    out_ += '{';
    bool first = true;
    for (const auto& [key, value] : dict.entries()) {
      if (!first) out_ += ", ";
      first = false;
      if (const auto printed = print(key); !printed) return printed;
      out_ += ": ";
      if (const auto printed = print(value); !printed) return printed;
    }
    out_ += '}';
    return {};
  }

  Budget& budget_;
  std::string out_;
  std::uint32_t depth_ = 0;
};

}  // namespace

std::string python_number(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[32];
  const auto* end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  const std::size_t mark = text.find('e');
  int exponent = 0;
  const std::size_t sign = text[mark + 1] == '+' ? 1 : 0;
  std::from_chars(text.data() + mark + 1 + sign, text.data() + text.size(), exponent);
  if (exponent < -4 || exponent >= 16) return std::string(text);
  char plain[64];
  std::string out(plain, std::to_chars(plain, plain + sizeof plain, value, std::chars_format::fixed).ptr);
  return out.find('.') == out.npos ? out + ".0" : out;
}

Result<TextRef> printed(const Value& value, Budget& budget) {
  static const TextRef empty = std::make_shared<const Text>();
  if (const auto* text = std::get_if<TextRef>(&value)) return *text;
  if (is_undefined(value)) return empty;
  Printer printer(budget);
  if (const auto done = printer.print(value); !done) return done.error();
  return TextRef(std::make_shared<const Text>(printer.take(), Author::conversation));
}

}  // namespace troupe::jinja
