#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::jinja {

/// Who wrote a piece of text: the template, or whoever wrote the conversation. What a template computes from characters
/// (numbers as text, JSON) counts as the conversation's.
enum class Author : bool { conversation, model_maker };

/// UTF-8 and who wrote each piece of it. Joining and cutting keep the authors.
class Text {
 public:
  struct Range {
    std::size_t begin, end;
  };

  Text() = default;
  Text(std::string bytes, Author author);

  [[nodiscard]] std::string_view view() const { return bytes_; }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] std::size_t memory() const { return bytes_.size() + foreign_.size() * sizeof(Range); }

  void append(std::string_view bytes, Author author);
  void append(const Text& text) { append(text, 0, text.size()); }
  /// The bytes from `begin` to `end` of another text. Precondition: begin <= end <= text.size().
  void append(const Text& text, std::size_t begin, std::size_t end);
  [[nodiscard]] Text part(std::size_t begin, std::size_t end) const;

  /// Whether it went through Jinja2's `safe`: what is added to it, or to what it is added, is escaped as HTML.
  [[nodiscard]] bool is_safe() const { return safe_; }
  void mark_safe() { safe_ = true; }

  /// The pieces that the conversation wrote: in order, none empty, no two that touch.
  [[nodiscard]] const std::vector<Range>& foreign() const { return foreign_; }

 private:
  void note_foreign(std::size_t begin, std::size_t end);

  std::string bytes_;
  std::vector<Range> foreign_;
  bool safe_ = false;
};

}  // namespace troupe::jinja
