#include "runtime/text/template/text_functions.hpp"

#include <algorithm>
#include <utility>

#include "runtime/text/template/characters.hpp"
#include "runtime/text/template/print.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe::jinja {
namespace {

/// What a piece of a text takes in a list.
constexpr std::size_t piece_bytes = sizeof(Value) + sizeof(Text) + 32;

/// How many bytes at one end of `text` are characters of `of`.
Result<std::size_t> strippable(std::string_view text, std::string_view of, bool at_end, Budget& budget) {
  const std::size_t whole = text.size();
  while (!text.empty()) {
    if (!budget.scan(of.size())) return exhausted();
    const std::size_t length = at_end ? length_of_last(text) : length_of_first(text);
    if (of.find(text.substr(at_end ? text.size() - length : 0, length)) == of.npos) break;
    at_end ? text.remove_suffix(length) : text.remove_prefix(length);
  }
  return whole - text.size();
}

/// Collects pieces of a text.
class Pieces {
 public:
  Pieces(const Text& text, Budget& budget) : text_(text), budget_(budget) {}
  [[nodiscard]] bool add(std::size_t begin, std::size_t end) {
    if (!budget_.make(end - begin + piece_bytes) || !budget_.spend()) return false;
    pieces_.push_back(text_value(text_.part(begin, end)));
    return true;
  }
  [[nodiscard]] std::size_t count() const { return pieces_.size(); }
  [[nodiscard]] Result<Value> take() { return list_value(std::move(pieces_)); }
  [[nodiscard]] Result<Value> take_reversed() {
    std::reverse(pieces_.begin(), pieces_.end());
    return take();
  }

 private:
  const Text& text_;
  Budget& budget_;
  std::vector<Value> pieces_;
};

bool more(const Pieces& pieces, std::int64_t most) {
  return most < 0 || pieces.count() < static_cast<std::size_t>(most);
}

Result<Value> split_at_space(const Text& text, std::int64_t most, Budget& budget) {
  Pieces pieces(text, budget);
  const std::string_view view = text.view();
  std::size_t at = space_before(view);
  while (at < view.size()) {
    std::size_t end = at;
    if (more(pieces, most)) {
      while (end < view.size() && !is_space(first_char(view.substr(end)).code)) {
        end += length_of_first(view.substr(end));
      }
    } else {
      end = view.size() - space_behind(view);
    }
    if (!pieces.add(at, end)) return exhausted();
    at = end + space_before(view.substr(end));
  }
  return pieces.take();
}

Result<Value> split_at_space_from_right(const Text& text, std::int64_t most, Budget& budget) {
  Pieces pieces(text, budget);
  std::string_view view = text.view();
  view.remove_suffix(space_behind(view));
  while (!view.empty()) {
    std::size_t begin = view.size();
    if (more(pieces, most)) {
      while (begin > 0) {
        const std::size_t length = length_of_last(view.substr(0, begin));
        if (is_space(first_char(view.substr(begin - length)).code)) break;
        begin -= length;
      }
    } else {
      begin = space_before(view);
    }
    if (!pieces.add(begin, view.size())) return exhausted();
    view = view.substr(0, begin);
    view.remove_suffix(space_behind(view));
  }
  return pieces.take_reversed();
}

Result<Value> split_at(const Text& text, std::string_view separator, std::int64_t most, Budget& budget) {
  Pieces pieces(text, budget);
  std::size_t at = 0;
  while (more(pieces, most)) {
    const std::size_t found = text.view().find(separator, at);
    if (found == std::string_view::npos) break;
    if (!pieces.add(at, found)) return exhausted();
    at = found + separator.size();
  }
  if (!pieces.add(at, text.size())) return exhausted();
  return pieces.take();
}

Result<Value> split_at_from_right(const Text& text, std::string_view separator, std::int64_t most, Budget& budget) {
  Pieces pieces(text, budget);
  std::size_t end = text.size();
  while (more(pieces, most) && end >= separator.size()) {
    const std::size_t found = text.view().rfind(separator, end - separator.size());
    if (found == std::string_view::npos) break;
    if (!pieces.add(found + separator.size(), end)) return exhausted();
    end = found;
  }
  if (!pieces.add(0, end)) return exhausted();
  return pieces.take_reversed();
}

/// Where a line ends, and where the next begins.
std::pair<std::size_t, std::size_t> line_end(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    const Utf8Char c = first_char(text.substr(at));
    const bool ends = (c.code >= 10 && c.code <= 13) || (c.code >= 0x1C && c.code <= 0x1E) || c.code == 0x85 ||
                      c.code == 0x2028 || c.code == 0x2029;
    if (ends) return {at, at + c.length + (text.substr(at).starts_with("\r\n") ? 1 : 0)};
    at += c.length;
  }
  return {at, at};
}

/// `fresh` before each character and at the end.
Result<Value> interleaved(const Text& text, const Text& fresh, std::int64_t most, Budget& budget) {
  Text out;
  std::size_t at = 0;
  for (std::int64_t done = 0; most < 0 || done < most; ++done) {
    if (!budget.make(fresh.memory() + 4) || !budget.spend()) return exhausted();
    out.append(fresh);
    if (at == text.size()) return text_value(std::move(out));
    const std::size_t length = length_of_first(text.view().substr(at));
    out.append(text, at, at + length);
    at += length;
  }
  out.append(text, at, text.size());
  return text_value(std::move(out));
}

}  // namespace

Result<Value> stripped(const Text& text, const Text* of, Ends ends, Budget& budget) {
  if (!budget.scan(text.size()) || !budget.make(text.memory())) return exhausted();
  const bool left = ends != Ends::right, right = ends != Ends::left;
  std::size_t before = 0, behind = 0;
  if (left) {
    const auto bytes = of == nullptr ? space_before(text.view()) : strippable(text.view(), of->view(), false, budget);
    if (!bytes) return bytes.error();
    before = *bytes;
  }
  if (right && before < text.size()) {
    const std::string_view rest = text.view().substr(before);
    const auto bytes = of == nullptr ? space_behind(rest) : strippable(rest, of->view(), true, budget);
    if (!bytes) return bytes.error();
    behind = *bytes;
  }
  if (!budget.spend((before + behind) / 8)) return exhausted();
  return text_value(text.part(before, text.size() - behind));
}

Result<Value> split(const Text& text, const Text* separator, std::int64_t most, bool from_right, Budget& budget) {
  if (!budget.search(text.size(), separator == nullptr ? 0 : separator->size())) return exhausted();
  if (separator == nullptr) {
    if (!budget.spend(text.size() / 16)) return exhausted();
    return from_right ? split_at_space_from_right(text, most, budget) : split_at_space(text, most, budget);
  }
  if (separator->size() == 0) return Error(Code::failed, "cannot split at an empty text");
  return from_right ? split_at_from_right(text, separator->view(), most, budget)
                    : split_at(text, separator->view(), most, budget);
}

Result<Value> split_lines(const Text& text, Budget& budget) {
  Pieces pieces(text, budget);
  if (!budget.spend(text.size() / 16)) return exhausted();
  for (std::size_t at = 0; at < text.size();) {
    const auto [end, next] = line_end(text.view(), at);
    if (!pieces.add(at, end)) return exhausted();
    at = next;
  }
  return pieces.take();
}

Result<Value> replaced(const Text& text, const Text& old, const Text& fresh, std::int64_t most, Budget& budget) {
  if (old.size() == 0) return interleaved(text, fresh, most, budget);
  if (!budget.search(text.size(), old.size()) || !budget.make(text.memory())) return exhausted();
  Text out;
  std::size_t at = 0;
  for (std::int64_t done = 0; most < 0 || done < most; ++done) {
    const std::size_t found = text.view().find(old.view(), at);
    if (found == std::string_view::npos) break;
    if (!budget.make(fresh.memory()) || !budget.spend()) return exhausted();
    out.append(text, at, found);
    out.append(fresh);
    at = found + old.size();
  }
  out.append(text, at, text.size());
  return text_value(std::move(out));
}

Result<Value> joined(const List& items, const Text& between, Budget& budget) {
  Text out;
  bool first = true;
  for (const Value& item : items.items) {
    const auto text = printed(item, budget);
    if (!text) return text.error();
    if (!budget.spend() || !budget.make((*text)->memory() + between.memory())) return exhausted();
    if (!first) out.append(between);
    first = false;
    out.append(**text);
  }
  return text_value(std::move(out));
}

Result<Value> mapped(const Text& text, char32_t (*map)(char32_t code, char32_t before), Budget& budget) {
  if (!budget.make(2 * text.size()) || !budget.spend(text.size() / 2)) return exhausted();
  Text out;
  char32_t before = 0;
  std::size_t at = 0;
  std::string one;
  for (std::size_t length = 0; at < text.size(); at += length) {
    const Utf8Char c = first_char(text.view().substr(at));
    length = c.length;
    one.clear();
    append_character(one, map(c.code, before));
    before = c.code;
    const Text piece = text.part(at, at + length);
    out.append(one, piece.foreign().empty() ? Author::model_maker : Author::conversation);
  }
  return text_value(std::move(out));
}

}  // namespace troupe::jinja
