#include <algorithm>
#include <charconv>
#include <limits>

#include "runtime/text/template/characters.hpp"
#include "runtime/text/template/json.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe::jinja {
namespace {

constexpr std::size_t longest = std::size_t{64} << 20, most_values = std::size_t{1} << 20;

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  [[nodiscard]] Result<Value> read() {
    auto value = read_value();
    if (!value) return value;
    skip_space();
    if (at_ < text_.size()) return wrong("there is more behind the value");
    return value;
  }

 private:
  [[nodiscard]] Error wrong(const std::string& what) const {
    const std::string_view before = text_.substr(0, at_);
    const std::size_t line = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')) + 1;
    const std::size_t last = before.rfind('\n');
    const std::size_t column = at_ - (last == before.npos ? 0 : last + 1) + 1;
    return {Code::invalid_argument,
            "JSON, line " + std::to_string(line) + ", byte " + std::to_string(column) + ": " + what};
  }

  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }

  [[nodiscard]] bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  /// The same behind white space.
  [[nodiscard]] bool take_mark(char mark) {
    skip_space();
    return take(std::string_view(&mark, 1));
  }

  [[nodiscard]] Result<Value> read_value() {
    skip_space();
    if (++values_ > most_values) return wrong("there are more than " + std::to_string(most_values) + " values");
    if (at_ == text_.size()) return wrong("a value is missing");
    if (take("{")) return nested(&Reader::read_object);
    if (take("[")) return nested(&Reader::read_array);
    if (take("\"")) {
      auto text = read_string();
      if (!text) return text.error();
      return text_value(std::move(*text));
    }
    if (take("null")) return Value(None());
    if (take("true")) return Value(true);
    if (take("false")) return Value(false);
    if (take("NaN")) return Value(std::numeric_limits<double>::quiet_NaN());
    if (take("Infinity")) return Value(std::numeric_limits<double>::infinity());
    if (take("-Infinity")) return Value(-std::numeric_limits<double>::infinity());
    return read_number();
  }

  [[nodiscard]] Result<Value> nested(Result<Value> (Reader::*inner)()) {
    if (depth_ == deepest_value) return wrong("values are nested deeper than " + std::to_string(depth_) + " levels");
    ++depth_;
    auto value = (this->*inner)();
    --depth_;
    return value;
  }

  [[nodiscard]] Result<Value> read_array() {
    std::vector<Value> items;
    if (take_mark(']')) return list_value({});
    do {
      auto item = read_value();
      if (!item) return item;
      items.push_back(std::move(*item));
    } while (take_mark(','));
    if (!take_mark(']')) return wrong("',' or ']' is missing");
    return list_value(std::move(items));
  }

  [[nodiscard]] Result<Value> read_object() {
    Dict dict;
    if (take_mark('}')) return dict_value({});
    do {
      if (!take_mark('"')) return wrong("a key in quotation marks is missing");
      auto key = read_string();
      if (!key) return key.error();
      if (!take_mark(':')) return wrong("':' is missing");
      auto value = read_value();
      if (!value) return value;
      dict.set(text_value(std::move(*key)), std::move(*value));
    } while (take_mark(','));
    if (!take_mark('}')) return wrong("',' or '}' is missing");
    return dict_value(std::move(dict));
  }

  [[nodiscard]] Result<std::string> read_string() {
    std::string out;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (static_cast<unsigned char>(text_[at_]) < 0x20) return wrong("a control character stands in a string");
      if (text_[at_] == '\\') {
        if (const auto done = read_escape(out); !done) return done.error();
        continue;
      }
      const Utf8Char c = first_char(text_.substr(at_));
      if (c.kind != Utf8Char::Kind::valid) return wrong("bytes are not UTF-8");
      out += text_.substr(at_, c.length);
      at_ += c.length;
    }
    if (!take("\"")) return wrong("a string has no end");
    return out;
  }

  [[nodiscard]] Result<void> read_escape(std::string& out) {
    constexpr std::string_view letters = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
    ++at_;
    const std::size_t letter = at_ < text_.size() ? letters.find(text_[at_]) : letters.npos;
    if (letter != letters.npos) {
      out += meant[letter];
      ++at_;
      return {};
    }
    if (!take("u")) return wrong("an escape is none of JSON's");
    const auto unit = read_unit();
    if (!unit) return unit.error();
    char32_t code = *unit;
    if (code >= 0xD800 && code < 0xDC00 && text_.substr(at_).starts_with("\\u")) {
      const std::size_t here = at_;
      at_ += 2;
      const auto low = read_unit();
      if (!low) return low.error();
      if (*low >= 0xDC00 && *low < 0xE000) {
        code = 0x10000 + ((code - 0xD800) << 10) + (*low - 0xDC00);
      } else {
        at_ = here;
      }
    }
    append_character(out, code);  // half a pair becomes U+FFFD
    return {};
  }

  [[nodiscard]] Result<char32_t> read_unit() {
    std::uint32_t unit = 0;
    const char* begin = text_.data() + at_;
    const char* end = begin + std::min<std::size_t>(4, text_.size() - at_);
    const auto [stop, error] = std::from_chars(begin, end, unit, 16);
    if (error != std::errc() || stop != begin + 4) return wrong("\\u wants four hexadecimal digits");
    at_ += 4;
    return static_cast<char32_t>(unit);
  }

  std::size_t take_digits() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ - begin;
  }

  [[nodiscard]] Result<Value> read_number() {
    const std::size_t begin = at_;
    (void)take("-");
    const bool zero = text_.substr(at_).starts_with("0");
    const std::size_t digits = take_digits();
    if (digits == 0 || (zero && digits > 1)) {
      at_ = begin;
      return wrong("this is no JSON value");
    }
    bool real = take(".");
    if (real && take_digits() == 0) return wrong("digits are missing behind '.'");
    if (take("e") || take("E")) {
      real = true;
      if (!take("+")) (void)take("-");
      if (take_digits() == 0) return wrong("an exponent is missing");
    }
    return number(text_.substr(begin, at_ - begin), real);
  }

  [[nodiscard]] static Result<Value> number(std::string_view text, bool real) {
    const char *begin = text.data(), *end = begin + text.size();
    std::int64_t whole = 0;
    if (!real && std::from_chars(begin, end, whole).ec == std::errc()) return Value(whole);
    return Value(real_number(text));
  }

  std::string_view text_;
  std::size_t at_ = 0, values_ = 0;
  std::uint32_t depth_ = 0;
};

}  // namespace

Result<Value> parse_json(std::string_view text) {
  if (text.size() > longest) return Error(Code::invalid_argument, "JSON is longer than 64 MiB");
  return Reader(text).read();
}

}  // namespace troupe::jinja
