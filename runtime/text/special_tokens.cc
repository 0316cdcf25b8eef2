#include "runtime/text/special_tokens.hpp"

#include <algorithm>
#include <tuple>

#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

constexpr std::size_t longest_special = 256;
constexpr std::string_view white_space = " \t\n\v\f\r";

/// Whether special tokens take white space along, which files do not say and Phi-3's tokenizer does: as llama.cpp has
/// it, by the model's name.
bool take_white_space(const ModelFile& file) {
  const auto given = file.string("general.name");
  if (!given) return false;
  std::string name(*given);
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return name.find("phi-3") != name.npos || name.find("phi3") != name.npos;
}

/// Those that leave it alone even there.
bool leaves_white_space(std::string_view token) {
  return token == "<unk>" || token == "<s>" || token == "<|endoftext|>";
}

}  // namespace

bool stands_verbatim(TokenKind kind) {
  return kind == TokenKind::control || kind == TokenKind::unknown || kind == TokenKind::user_defined;
}

std::string joined_text(std::span<const TextSpan> parts) {
  std::string text;
  for (const TextSpan& part : parts) text += part.text;
  return text;
}

Trust::Trust(bool all) {
  if (all) stretches_.push_back({0, std::string_view::npos});
}

Trust::Trust(std::span<const TextSpan> parts) {
  std::size_t at = 0;
  for (const TextSpan& part : parts) {
    const std::size_t begin = at;
    at += part.text.size();
    if (!part.trusted) continue;
    const bool joins = !stretches_.empty() && stretches_.back().end == begin;
    if (joins) {
      stretches_.back().end = at;
    } else {
      stretches_.push_back({begin, at});
    }
  }
}

std::size_t Trust::end_at(std::size_t place) {
  while (next_ < stretches_.size() && stretches_[next_].end <= place) ++next_;
  return next_ < stretches_.size() && stretches_[next_].begin <= place ? stretches_[next_].end : 0;
}

Result<SpecialTokens> SpecialTokens::build(const ModelFile& file, const Vocabulary& vocabulary) {
  std::vector<TokenId> tokens;
  for (TokenId id = 0; id < static_cast<TokenId>(vocabulary.size()); ++id) {
    const std::string_view text = vocabulary.text(id);
    if (!stands_verbatim(vocabulary.kind(id)) || text.empty()) continue;
    if (text.size() > longest_special) {
      return Error(Code::unsupported, quoted(file.path) + ": token " + std::to_string(id) + " is a special one of " +
                                          std::to_string(text.size()) + " bytes; expected at most " +
                                          std::to_string(longest_special));
    }
    tokens.push_back(id);
  }
  SpecialTokens special;
  special.grow(vocabulary, std::move(tokens), take_white_space(file));
  return special;
}

void SpecialTokens::grow(const Vocabulary& vocabulary, std::vector<TokenId> tokens, bool take_space) {
  // Of two tokens of one text the one that is always parsed comes first.
  const auto order = [&](TokenId id) { return std::tuple(vocabulary.text(id), vocabulary.is_control(id), id); };
  std::sort(tokens.begin(), tokens.end(), [&](TokenId a, TokenId b) { return order(a) < order(b); });
  struct Branch {  // the tokens below a node: they share their first `depth` bytes
    std::size_t begin, end, depth;
  };
  nodes_.emplace_back();
  std::vector<Branch> branches{{0, tokens.size(), 0}};
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    const auto [begin, end, depth] = branches[n];
    std::size_t at = begin;
    const auto byte_of = [&, d = depth](std::size_t i) {
      return static_cast<unsigned char>(vocabulary.text(tokens[i])[d]);
    };
    while (at < end && vocabulary.text(tokens[at]).size() == depth) {
      if (nodes_[n].id < 0) {
        nodes_[n].id = tokens[at];
        nodes_[n].control = vocabulary.is_control(tokens[at]);
        nodes_[n].takes_space = take_space && !leaves_white_space(vocabulary.text(tokens[at]));
      }
      ++at;
    }
    nodes_[n].first_child = static_cast<std::uint32_t>(nodes_.size());
    while (at < end) {
      const std::size_t first = at;
      while (at < end && byte_of(at) == byte_of(first)) ++at;
      nodes_.push_back({.byte = byte_of(first)});
      ++nodes_[n].children;
      branches.push_back({first, at, depth + 1});
    }
  }
  for (std::size_t i = 1; i <= nodes_[0].children; ++i) starts_[nodes_[i].byte] = true;
  nodes_.shrink_to_fit();
}

const SpecialTokens::Node* SpecialTokens::child(const Node& node, char byte) const {
  const Node* const begin = nodes_.data() + node.first_child;
  const Node* const end = begin + node.children;
  const auto wanted = static_cast<unsigned char>(byte);
  const Node* const at =
      std::lower_bound(begin, end, wanted, [](const Node& n, unsigned char b) { return n.byte < b; });
  return at != end && at->byte == wanted ? at : nullptr;
}

SpecialTokens::Match SpecialTokens::next(std::string_view text, std::size_t from, Trust& trust) const {
  for (std::size_t begin = from; begin < text.size(); ++begin) {
    if (!starts_[static_cast<unsigned char>(text[begin])]) continue;
    Match longest{begin, begin, -1};
    bool takes_space = false;
    const std::size_t trusted = trust.end_at(begin);
    std::size_t end = begin;
    for (const Node* node = nodes_.data(); end < text.size();) {
      node = child(*node, text[end++]);
      if (node == nullptr) break;
      if (node->id < 0 || (end > trusted && node->control)) continue;
      longest = {begin, end, node->id};
      takes_space = node->takes_space;
    }
    if (takes_space) longest.end = std::min(text.find_first_not_of(white_space, longest.end), text.size());
    if (longest.id >= 0) return longest;
  }
  return {text.size(), text.size(), -1};
}

}  // namespace troupe
