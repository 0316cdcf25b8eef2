#include "runtime/text/tokenizer.hpp"

#include <algorithm>

#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

}  // namespace

std::vector<TokenId> Tokenizer::encode_spans(std::span<const TextSpan> parts) const {
  std::vector<TokenId> all;
  for (const TextSpan& part : parts) {
    const std::vector<TokenId> ids = encode(part.text, part.trusted);
    all.insert(all.end(), ids.begin(), ids.end());
  }
  return all;
}

bool Tokenizer::adds_space_behind(TokenId) const { return false; }

std::vector<TokenId> Tokenizer::behind_bos(std::vector<TokenId> ids) const {
  if (add_bos_ && (ids.empty() || ids.front() != bos_)) ids.insert(ids.begin(), bos_);
  return ids;
}

std::vector<TokenId> Tokenizer::encode_prompt(std::string_view text, bool parse_special) const {
  return behind_bos(encode(text, parse_special));
}

std::vector<TokenId> Tokenizer::encode_prompt(std::span<const TextSpan> parts) const {
  return behind_bos(encode_spans(parts));
}

bool Tokenizer::ends_text(TokenId id) const { return std::binary_search(end_.begin(), end_.end(), id); }

std::string decode(const Tokenizer& tokenizer, std::span<const TokenId> ids, bool special) {
  std::string text;
  TokenId before = no_token;
  for (const TokenId id : ids) {
    const std::string piece = tokenizer.piece(id, special);
    const bool added =
        piece.starts_with(' ') && tokenizer.adds_space_behind(before) && !tokenizer.adds_space_behind(id);
    text += added ? std::string_view(piece).substr(1) : piece;
    before = id;
  }
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
