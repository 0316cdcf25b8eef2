#include "runtime/cli/chat_prompt.hpp"

#include <span>

namespace troupe::cli {
namespace {

/// The parts behind the first bytes.
std::vector<TextSpan> behind(const std::vector<TextPart>& parts, std::size_t bytes) {
  std::vector<TextSpan> spans;
  for (const TextPart& part : parts) {
    const std::size_t skipped = std::min(bytes, part.text.size());
    bytes -= skipped;
    if (skipped < part.text.size()) spans.push_back({std::string_view(part.text).substr(skipped), part.trusted});
  }
  return spans;
}

void append(std::vector<TokenId>& ids, const std::vector<TokenId>& more) {
  ids.insert(ids.end(), more.begin(), more.end());
}

}  // namespace

ChatPrompt::Written::Written(const std::vector<TextPart>& parts) {
  for (const TextPart& part : parts) add(part.text, part.trusted);
}

void ChatPrompt::Written::add(const std::string& part, bool trusted) {
  text += part;
  trust.append(part.size(), trusted ? '1' : '0');
}

bool ChatPrompt::Written::starts_with(const Written& other) const {
  return text.starts_with(other.text) && trust.starts_with(other.trust);
}

/// What the ids behind the first `count` add to the text.
std::string ChatPrompt::text_behind(const std::vector<TokenId>& ids, std::size_t count) const {
  return checkpoint_.detokenize(ids).substr(checkpoint_.detokenize(std::span(ids).first(count)).size());
}

std::vector<TokenId> ChatPrompt::ids_of(const std::vector<TextPart>& parts) const {
  const Written asked(parts);
  if (!seen_ids_.empty() && asked.starts_with(seen_)) {
    std::vector<TokenId> ids = seen_ids_;
    append(ids, checkpoint_.tokenize(behind(parts, seen_.text.size())));
    // Some tokenizers put a space in front of a text, which here would come into its middle.
    if (text_behind(ids, seen_ids_.size()) == asked.text.substr(seen_.text.size())) return ids;
  }
  return checkpoint_.prompt(behind(parts, 0));
}

void ChatPrompt::answered(const std::vector<TextPart>& parts, std::vector<TokenId> prompt, std::vector<TokenId> ids,
                          const std::string& text) {
  const std::size_t before = prompt.size();
  append(prompt, ids);
  // An end token shows nothing, and is for the template to write.
  if (!ids.empty() && text_behind(prompt, before) != text) prompt.pop_back();
  if (text_behind(prompt, before) != text) return;
  seen_ids_ = std::move(prompt);
  seen_ = Written(parts);
  seen_.add(text, false);
}

}  // namespace troupe::cli
