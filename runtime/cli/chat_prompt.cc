#include "runtime/cli/chat_prompt.hpp"

#include <algorithm>
#include <span>
#include <string_view>

namespace troupe::cli {
namespace {

/// The bytes of the parts from one to another.
std::vector<TextSpan> between(const std::vector<TextPart>& parts, std::size_t begin, std::size_t end) {
  std::vector<TextSpan> spans;
  std::size_t at = 0;  // where the part begins
  for (const TextPart& part : parts) {
    const std::size_t from = std::clamp(begin, at, at + part.text.size());
    const std::size_t to = std::clamp(end, from, at + part.text.size());
    if (from < to) spans.push_back({std::string_view(part.text).substr(from - at, to - from), part.trusted});
    at += part.text.size();
  }
  return spans;
}

std::string joined(const std::vector<TextPart>& parts) {
  std::string text;
  for (const TextPart& part : parts) text += part.text;
  return text;
}

void append(std::vector<TokenId>& ids, const std::vector<TokenId>& more) {
  ids.insert(ids.end(), more.begin(), more.end());
}

}  // namespace

/// What the ids behind the first `count` add to the text.
std::string ChatPrompt::text_behind(const std::vector<TokenId>& ids, std::size_t count) const {
  return checkpoint_.detokenize(ids).substr(checkpoint_.detokenize(std::span(ids).first(count)).size());
}

/// Whether a text begins with what the model has seen, and nothing that is a control token there is only text here.
bool ChatPrompt::goes_on(const std::vector<TextPart>& parts, const std::string& text) const {
  return !seen_ids_.empty() && text.starts_with(asked_ + answer_) &&
         checkpoint_.prompt(between(parts, 0, asked_.size())) == asked_ids_;
}

std::vector<TokenId> ChatPrompt::ids_of(const std::vector<TextPart>& parts) const {
  const std::string text = joined(parts);
  if (goes_on(parts, text)) {
    const std::size_t seen = asked_.size() + answer_.size();
    std::vector<TokenId> ids = seen_ids_;
    const std::vector<TokenId> fresh = checkpoint_.tokenize(between(parts, seen, text.size()));
    append(ids, fresh);
    // Some tokenizers put a space in front of a text, which here would come into its middle.
    if (text_behind(ids, seen_ids_.size()) == checkpoint_.detokenize(fresh)) return ids;
  }
  return checkpoint_.prompt(between(parts, 0, text.size()));
}

void ChatPrompt::answered(const std::vector<TextPart>& parts, std::vector<TokenId> prompt,
                          const std::vector<TokenId>& ids, const std::string& text) {
  const std::size_t before = prompt.size();
  append(prompt, ids);
  // An end token shows nothing, and is for the template to write.
  if (!ids.empty() && text_behind(prompt, before) != text) prompt.pop_back();
  if (text_behind(prompt, before) != text) return;
  asked_ = joined(parts);
  answer_ = text;
  asked_ids_ = checkpoint_.prompt(between(parts, 0, asked_.size()));
  seen_ids_ = std::move(prompt);
}

}  // namespace troupe::cli
