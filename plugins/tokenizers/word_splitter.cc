#include "plugins/tokenizers/word_splitter.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "plugins/tokenizers/word_scanner.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe::plugins {
namespace {

using Lengths = std::vector<std::uint32_t>;

/// What PCRE2 sees in place of bytes that are no character, and of U+180E, which is white space to it and not to
/// Unicode: as long, and of no class.
std::string_view stand_in(std::size_t bytes) {
  constexpr std::array<std::string_view, 4> characters = {"", "\x01", "\xC2\x80", "\xE2\x80\x8B"};
  return characters[bytes];
}

bool is_plain(const Utf8Char& c) { return c.kind == Utf8Char::Kind::valid && c.code != 0x180E; }

/// The text itself where PCRE2 takes it as it is; else a copy, in `copy`.
std::string_view for_pcre2(std::string_view text, std::string& copy) {
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Char c = first_char(text.substr(at));
    if (!is_plain(c)) {
      if (copy.empty()) copy = text;
      copy.replace(at, c.length, stand_in(c.length));
    }
    at += c.length;
  }
  return copy.empty() ? text : std::string_view(copy);
}

void scan(std::string_view piece, bool single_digits, Lengths& words) {
  WordScanner scanner(piece, single_digits);
  for (std::string_view word = scanner.next(); !word.empty(); word = scanner.next()) {
    words.push_back(static_cast<std::uint32_t>(word.size()));
  }
}

void match(std::string_view piece, const Pattern& pattern, Pattern::Search& search, Lengths& words) {
  std::size_t done = 0;
  const auto cut_at = [&](std::size_t end) {
    if (end > done) words.push_back(static_cast<std::uint32_t>(end - done));
    done = end;
  };
  for (auto found = search.next(pattern, piece, 0, false); found;
       found = search.next(pattern, piece, done, found->begin == found->end)) {
    cut_at(found->begin);
    cut_at(found->end);
    if (done == piece.size()) return;
  }
  cut_at(piece.size());
}

}  // namespace

Result<WordSplitter> WordSplitter::make(Patterns patterns, bool scanners) {
  WordSplitter splitter;
  if (scanners && std::ranges::equal(patterns, single_digit_patterns())) {
    splitter.stages_.emplace_back(Gpt2{true});
    return splitter;
  }
  for (const std::string_view source : patterns) {
    if (scanners && source == gpt2_pattern()) {
      splitter.stages_.emplace_back(Gpt2{false});
      continue;
    }
    auto pattern = Pattern::compile(source);
    if (!pattern) return pattern.error();
    splitter.stages_.emplace_back(std::move(*pattern));
  }
  return splitter;
}

std::vector<std::uint32_t> WordSplitter::split(std::string_view text) const {
  if (text.empty()) return {};
  Pattern::Search search;
  std::string copy;
  if (has_patterns()) text = for_pcre2(text, copy);
  Lengths words{static_cast<std::uint32_t>(text.size())}, pieces;
  for (const Stage& stage : stages_) {
    pieces.swap(words);
    words.clear();
    std::string_view rest = text;
    for (const std::uint32_t length : pieces) {
      cut(rest.substr(0, length), stage, search, words);
      rest.remove_prefix(length);
    }
  }
  return words;
}

/// What a stage makes of one piece.
void WordSplitter::cut(std::string_view piece, const Stage& stage, Pattern::Search& search, Lengths& words) {
  if (const auto* own = std::get_if<Gpt2>(&stage)) return scan(piece, own->single_digits, words);
  match(piece, std::get<Pattern>(stage), search, words);
}

bool WordSplitter::has_patterns() const {
  return std::ranges::any_of(stages_, [](const Stage& stage) { return std::holds_alternative<Pattern>(stage); });
}

std::size_t WordSplitter::memory_bytes() const {
  std::size_t bytes = stages_.capacity() * sizeof(Stage);
  for (const Stage& stage : stages_) {
    if (const auto* pattern = std::get_if<Pattern>(&stage)) bytes += pattern->memory_bytes();
  }
  return bytes;
}

}  // namespace troupe::plugins
