#include "runtime/text/tokenizer.hpp"

#include <algorithm>

#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

}  // namespace

std::vector<TokenId> Tokenizer::encode_prompt(std::string_view text, bool parse_special) const {
  std::vector<TokenId> ids = encode(text, parse_special);
  if (add_bos_ && (ids.empty() || ids.front() != bos_)) ids.insert(ids.begin(), bos_);
  return ids;
}

bool Tokenizer::ends_text(TokenId id) const { return std::binary_search(end_.begin(), end_.end(), id); }

std::string decode(const Tokenizer& tokenizer, std::span<const TokenId> ids, bool special) {
  std::string text;
  for (const TokenId id : ids) text += tokenizer.piece(id, special);
  return text;
}

std::string Utf8Stream::push(std::string_view bytes) {
  pending_ += bytes;
  std::string_view rest = pending_;
  std::string out;
  while (!rest.empty()) {
    const Utf8Char c = first_char(rest);
    if (c.kind == Utf8Char::Kind::incomplete) break;
    out += c.kind == Utf8Char::Kind::valid ? rest.substr(0, c.length) : replacement;
    rest.remove_prefix(c.length);
  }
  pending_.erase(0, pending_.size() - rest.size());
  return out;
}

std::string Utf8Stream::finish() {
  const bool unfinished = !pending_.empty();
  pending_.clear();
  return std::string(unfinished ? replacement : std::string_view{});
}

}  // namespace troupe
