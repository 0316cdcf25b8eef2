#include "runtime/text/template/text.hpp"

#include <algorithm>
#include <utility>

namespace troupe::jinja {

Text::Text(std::string bytes, Author author) : bytes_(std::move(bytes)) {
  if (author == Author::conversation) note_foreign(0, bytes_.size());
}

void Text::note_foreign(std::size_t begin, std::size_t end) {
  if (begin == end) return;
  if (!foreign_.empty() && foreign_.back().end == begin) {
    foreign_.back().end = end;
  } else {
    foreign_.push_back({begin, end});
  }
}

void Text::append(std::string_view bytes, Author author) {
  const std::size_t before = bytes_.size();
  bytes_ += bytes;
  if (author == Author::conversation) note_foreign(before, bytes_.size());
}

void Text::append(const Text& text, std::size_t begin, std::size_t end) {
  const std::size_t before = bytes_.size();
  bytes_.append(text.bytes_, begin, end - begin);
  auto range = std::partition_point(text.foreign_.begin(), text.foreign_.end(),
                                    [begin](const Range& each) { return each.end <= begin; });
  for (; range != text.foreign_.end() && range->begin < end; ++range) {
    note_foreign(std::max(range->begin, begin) - begin + before, std::min(range->end, end) - begin + before);
  }
}

Text Text::part(std::size_t begin, std::size_t end) const {
  Text out;
  out.safe_ = safe_;
  out.append(*this, begin, end);
  return out;
}

}  // namespace troupe::jinja
