#include "runtime/text/template/lexer.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "runtime/text/template/characters.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe::jinja {
namespace {

constexpr std::size_t longest_template = std::size_t{256} << 10;

/// Line ends of any kind as "\n", and none at the very end.
std::string with_plain_lines(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool half = text[i] == '\r' && text.substr(i + 1).starts_with('\n');
    if (!half) out += text[i] == '\r' ? '\n' : text[i];
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool in_name(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<signed char>(c) < 0;
}

/// What a string literal means (Python's escapes); `body` is what stands between the quotes.
class Escapes {
 public:
  explicit Escapes(std::string_view body) : body_(body) {}

  [[nodiscard]] std::string decode() {
    while (at_ < body_.size()) {
      if (body_[at_] != '\\' || at_ + 1 == body_.size()) {
        out_ += body_[at_++];
      } else {
        at_ += 1;
        decode_one();
      }
    }
    return std::move(out_);
  }

 private:
  void decode_one() {
    constexpr std::string_view letters = "\\'\"abfnrtv", meant = "\\'\"\a\b\f\n\r\t\v";
    const char letter = body_[at_];
    if (const std::size_t known = letters.find(letter); known != letters.npos) {
      out_ += meant[known];
      ++at_;
    } else if (letter == '\n') {  // the line goes on
      ++at_;
    } else if (letter >= '0' && letter <= '7') {
      number(0, 3, 8);
    } else if (letter != 'x' && letter != 'u' && letter != 'U') {
      out_ += '\\';
    } else if (!number(1, letter == 'x' ? 2 : letter == 'u' ? 4 : 8, 16)) {
      out_ += '\\';
    }
  }

  /// A character by its number: `skip` letters, then up to `digits` of them (exactly so many if hexadecimal).
  bool number(std::size_t skip, std::size_t digits, int base) {
    std::uint32_t code = 0;
    const std::string_view part = body_.substr(at_ + skip, digits);
    const auto [stop, error] = std::from_chars(part.data(), part.data() + part.size(), code, base);
    const auto read = static_cast<std::size_t>(stop - part.data());
    if (error != std::errc() || (base == 16 && read != digits)) return false;
    append_character(out_, code);
    at_ += skip + read;
    return true;
  }

  std::string_view body_;
  std::size_t at_ = 0;
  std::string out_;
};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  [[nodiscard]] Result<std::vector<Token>> cut() {
    while (at_ < text_.size()) {
      const std::size_t tag = next_tag();
      add_data(tag);
      move_to(tag);
      if (at_ == text_.size()) break;
      if (const auto done = read_tag(); !done) return done.error();
    }
    add(Token::Kind::end, {});
    return std::move(tokens_);
  }

 private:
  [[nodiscard]] std::string_view rest() const { return text_.substr(at_); }
  [[nodiscard]] Error wrong(const std::string& what) const { return at(place_, {Code::bad_file, what}); }
  void add(Token::Kind kind, std::string text) { tokens_.push_back({kind, std::move(text), place_}); }

  void move_to(std::size_t to) {
    for (; at_ < to; ++at_) {
      place_.column += 1;
      if (text_[at_] == '\n') place_ = {place_.line + 1, 1};
    }
  }
  void move(std::size_t bytes) { move_to(at_ + bytes); }
  void skip_space() { move(space_before(rest())); }

  /// Where "{{", "{%" or "{#" comes next; the end where none does.
  [[nodiscard]] std::size_t next_tag() const {
    for (std::size_t brace = text_.find('{', at_); brace != text_.npos; brace = text_.find('{', brace + 1)) {
      if (brace + 1 < text_.size() && std::string_view("{%#").find(text_[brace + 1]) != std::string_view::npos) {
        return brace;
      }
    }
    return text_.size();
  }

  /// The text before a tag, without the white space that the tag takes away.
  void add_data(std::size_t tag) {
    std::string_view data = text_.substr(at_, tag - at_);
    const char sign = tag + 2 < text_.size() ? text_[tag + 2] : ' ';
    if (tag < text_.size() && sign == '-') {
      data.remove_suffix(space_behind(data));
    } else if (tag < text_.size() && sign != '+' && text_[tag + 1] != '{') {
      const std::size_t line = data.rfind('\n') + 1;  // 0 where there is none
      const bool whole_line = line > 0 || at_line_start_;
      if (whole_line && space_before(data.substr(line)) == data.size() - line) data = data.substr(0, line);
    }
    if (!data.empty()) add(Token::Kind::data, std::string(data));
  }

  [[nodiscard]] Result<void> read_tag() {
    const char kind = text_[at_ + 1];
    const bool signs = at_ + 2 < text_.size() && (text_[at_ + 2] == '-' || text_[at_ + 2] == '+');
    const std::size_t length = signs ? 3 : 2;
    if (kind == '#') return read_comment(length);
    if (kind == '%' && raw_length(at_ + length) > 0) return read_raw(length + raw_length(at_ + length));
    add(kind == '{' ? Token::Kind::begin_output : Token::Kind::begin_block, {});
    move(length);
    return read_expression(kind == '{');
  }

  /// What ends a tag or comment, with what it takes away behind itself; 0 where nothing ends here.
  [[nodiscard]] std::size_t end_length(std::string_view mark, bool trims, bool takes_plus) const {
    const std::string_view text = rest();
    if (text.starts_with(mark)) return mark.size() + (trims && text.substr(mark.size()).starts_with('\n') ? 1 : 0);
    if (text.empty() || !text.substr(1).starts_with(mark)) return 0;
    if (text[0] == '-') return 1 + mark.size() + space_before(text.substr(1 + mark.size()));
    return text[0] == '+' && takes_plus ? 1 + mark.size() : 0;
  }

  void end_tag(std::size_t length) {
    move(length);
    at_line_start_ = text_[at_ - 1] == '\n';
  }

  [[nodiscard]] Result<void> read_comment(std::size_t begin) {
    const Error open = wrong("a comment has no end");
    move(begin);
    while (at_ < text_.size()) {
      if (const std::size_t length = end_length("#}", true, true); length > 0) return end_tag(length), Result<void>();
      move(1);
    }
    return open;
  }

  /// The length of ` raw %}`; 0 where something else stands there.
  [[nodiscard]] std::size_t raw_length(std::size_t from, std::string_view word = "raw") const {
    std::size_t here = from + space_before(text_.substr(from));
    if (!text_.substr(here).starts_with(word)) return 0;
    here += word.size();
    here += space_before(text_.substr(here));
    const std::string_view end = text_.substr(here);
    if (end.starts_with("-%}")) return here + 3 + space_before(end.substr(3)) - from;
    return end.starts_with("%}") ? here + 2 - from : 0;
  }

  [[nodiscard]] Result<void> read_raw(std::size_t begin) {
    const Error open = wrong("raw has no endraw");
    move(begin);
    at_line_start_ = text_[at_ - 1] == '\n';
    for (std::size_t tag = text_.find("{%", at_); tag != text_.npos; tag = text_.find("{%", tag + 2)) {
      const bool signs = tag + 2 < text_.size() && (text_[tag + 2] == '-' || text_[tag + 2] == '+');
      const std::size_t inner = tag + (signs ? 3 : 2), length = raw_length(inner, "endraw");
      if (length == 0) continue;
      add_data(tag);
      const bool trims = text_[inner + length - 3] != '-' && text_.substr(inner + length).starts_with('\n');
      move_to(tag);
      end_tag(inner + length - tag + (trims ? 1 : 0));
      return {};
    }
    return open;
  }

  [[nodiscard]] Result<void> read_expression(bool output) {
    const Error open = wrong(output ? "'{{' has no '}}'" : "'{%' has no '%}'");
    brackets_.clear();
    for (skip_space(); at_ < text_.size(); skip_space()) {
      const std::size_t end = output ? end_length("}}", false, false) : end_length("%}", true, true);
      if (end > 0 && brackets_.empty()) {
        add(output ? Token::Kind::end_output : Token::Kind::end_block, {});
        return end_tag(end), Result<void>();
      }
      if (const auto read = read_token(); !read) return read;
    }
    return open;
  }

  [[nodiscard]] Result<void> read_token() {
    const char first = rest().front();
    if (is_digit(first)) return read_number();
    if (first == '"' || first == '\'') return read_text(first);
    if (!in_name(first)) return read_mark();
    const std::string_view name = rest();
    const auto length = static_cast<std::size_t>(std::find_if_not(name.begin(), name.end(), in_name) - name.begin());
    add(Token::Kind::name, std::string(name.substr(0, length)));
    move(length);
    return {};
  }

  [[nodiscard]] static std::size_t digits(std::string_view text) {
    const auto end = std::find_if_not(text.begin(), text.end(), [](char c) { return is_digit(c) || c == '_'; });
    return static_cast<std::size_t>(end - text.begin());
  }

  [[nodiscard]] Result<void> read_number() {
    const std::string_view text = rest();
    std::size_t length = digits(text);
    bool real = false;
    if (text.substr(length).starts_with('.') && digits(text.substr(length + 1)) > 0) {
      real = true;
      length += 1 + digits(text.substr(length + 1));
    }
    const std::string_view behind = text.substr(length);
    if (behind.starts_with('e') || behind.starts_with('E')) {
      const std::size_t sign = behind.substr(1).starts_with('+') || behind.substr(1).starts_with('-') ? 2 : 1;
      const std::size_t exponent = behind.size() > sign ? digits(behind.substr(sign)) : 0;
      real = real || exponent > 0;
      if (exponent > 0) length += sign + exponent;
    }
    std::string number(text.substr(0, length));
    std::erase(number, '_');
    add(real ? Token::Kind::real : Token::Kind::whole, std::move(number));
    move(length);
    return {};
  }

  [[nodiscard]] Result<void> read_text(char quote) {
    const std::string_view text = rest();
    std::size_t end = 1;
    while (end < text.size() && text[end] != quote) end += text[end] == '\\' ? 2 : 1;
    if (end >= text.size()) return wrong("a text in quotation marks has no end");
    add(Token::Kind::text, Escapes(text.substr(1, end - 1)).decode());
    move(end + 1);
    return {};
  }

  [[nodiscard]] Result<void> read_mark() {
    constexpr std::array<std::string_view, 26> marks = {"**", "//", "==", "!=", ">=", "<=", "+", "-", "/",
                                                        "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                        ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
    const auto* mark = std::find_if(marks.begin(), marks.end(), [&](auto each) { return rest().starts_with(each); });
    if (mark == marks.end()) return wrong("there is no operator " + quoted(rest().substr(0, length_of_first(rest()))));
    const char bracket = mark->front();
    if (bracket == '(' || bracket == '[' || bracket == '{') {
      brackets_ += bracket == '(' ? ')' : bracket == '[' ? ']' : '}';
    } else if (bracket == ')' || bracket == ']' || bracket == '}') {
      if (brackets_.empty() || brackets_.back() != bracket) {
        return wrong("'" + std::string(*mark) + "' closes nothing" +
                     (brackets_.empty() ? "" : "; expected is '" + brackets_.substr(brackets_.size() - 1) + "'"));
      }
      brackets_.pop_back();
    }
    add(Token::Kind::mark, std::string(*mark));
    move(mark->size());
    return {};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Place place_;
  bool at_line_start_ = true;
  std::string brackets_;  ///< those that must still be closed
  std::vector<Token> tokens_;
};

}  // namespace

Error at(Place place, const Error& error) {
  return {error.code(), "chat template, line " + std::to_string(place.line) + ", column " +
                            std::to_string(place.column) + ": " + on_one_line(error.message())};
}

Result<std::vector<Token>> cut(std::string_view text) {
  if (text.size() > longest_template) {
    return Error(Code::bad_file,
                 "a chat template of " + std::to_string(text.size()) + " bytes is too long; at most 262144 are read");
  }
  if (!is_utf8(text)) return Error(Code::bad_file, "the chat template is not UTF-8");
  const std::string lines = with_plain_lines(text);
  return Lexer(lines).cut();
}

}  // namespace troupe::jinja
