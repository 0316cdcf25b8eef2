#include "plugins/tokenizers/word_scanner.hpp"

#include "runtime/text/utf8.hpp"

namespace troupe::plugins {

std::string_view WordScanner::next() {
  if (rest_.empty()) return {};
  std::size_t length = contraction();
  if (length == 0) length = run();
  if (length == 0) length = spaces();
  if (length == 0) length = at(0).length;  // a digit by itself
  const std::string_view word = rest_.substr(0, length);
  rest_.remove_prefix(length);
  return word;
}

WordScanner::Char WordScanner::at(std::size_t byte) const {
  if (byte >= rest_.size()) return {0, CharClass::other};
  const Utf8Char c = first_char(rest_.substr(byte));
  return {c.length, c.kind == Utf8Char::Kind::valid ? char_class(c.code) : CharClass::other};
}

WordScanner::Char WordScanner::inner(std::size_t byte) const {
  const Char c = at(byte);
  if (single_digits_ && c.kind == CharClass::number) return {0, CharClass::other};
  return c;
}

std::size_t WordScanner::contraction() const {
  if (rest_[0] != '\'') return 0;
  for (const std::string_view ending : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
    if (rest_.substr(0, ending.size()) == ending) return ending.size();
  }
  return 0;
}

/// Characters of one class, a space before them or not; 0 where none but spaces stand there.
std::size_t WordScanner::run() const {
  std::size_t end = rest_[0] == ' ' ? 1 : 0;
  Char c = inner(end);
  const CharClass kind = c.kind;
  if (c.length == 0 || kind == CharClass::space) return 0;
  for (; c.length > 0 && c.kind == kind; c = inner(end)) end += c.length;
  return end;
}

/// White space: all of it before the end of the text, else without the last one, which may begin the next word.
std::size_t WordScanner::spaces() const {
  std::size_t end = 0, last = 0;
  Char c = inner(0);
  for (; c.length > 0 && c.kind == CharClass::space; c = inner(end)) {
    last = end;
    end += c.length;
  }
  return c.length == 0 || last == 0 ? end : last;
}

}  // namespace troupe::plugins
