#include "runtime/text/stop_strings.hpp"

#include <algorithm>
#include <utility>

#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

constexpr std::size_t most_stops = 16, longest_stop = 256;

Result<void> check(const std::vector<std::string>& texts) {
  if (texts.size() > most_stops) {
    return Error(Code::invalid_argument, "there are " + std::to_string(texts.size()) + " stop strings; at most " +
                                             std::to_string(most_stops) + " can be looked for");
  }
  for (const std::string& text : texts) {
    if (text.empty() || text.size() > longest_stop) {
      return Error(Code::invalid_argument, "a stop string has " + std::to_string(text.size()) +
                                               " bytes; it must have 1 to " + std::to_string(longest_stop));
    }
    if (!is_utf8(text)) {
      return Error(Code::invalid_argument, "stop string " + quoted(text) +
                                               " is not UTF-8, and what is shown always is; it would never be found");
    }
  }
  return {};
}

std::vector<std::uint32_t> failures_of(std::string_view text) {
  std::vector<std::uint32_t> failures(text.size(), 0);
  for (std::size_t i = 1; i < text.size(); ++i) {
    std::uint32_t seen = failures[i - 1];
    while (seen > 0 && text[seen] != text[i]) seen = failures[seen - 1];
    failures[i] = text[seen] == text[i] ? seen + 1 : 0;
  }
  return failures;
}

}  // namespace

Result<std::shared_ptr<const StopStrings>> StopStrings::create(const std::vector<std::string>& texts) {
  if (const auto checked = check(texts); !checked) return checked.error();
  auto stops = std::make_shared<StopStrings>();
  for (const std::string& text : texts) stops->stops_.push_back({text, failures_of(text)});
  return std::shared_ptr<const StopStrings>(std::move(stops));
}

std::uint32_t StopStrings::next(std::size_t stop, std::uint32_t seen, char byte) const {
  const auto& [text, failures] = stops_[stop];
  while (seen > 0 && text[seen] != byte) seen = failures[seen - 1];
  return text[seen] == byte ? seen + 1 : 0;
}

const std::string* StopSearch::take(char byte) {
  held_ += byte;
  const std::string* found = nullptr;
  for (std::size_t stop = 0; stop < seen_.size(); ++stop) {
    seen_[stop] = stops_->next(stop, seen_[stop], byte);
    const std::string& text = stops_->text(stop);
    if (seen_[stop] == text.size() && (found == nullptr || found->size() < text.size())) found = &text;
  }
  return found;
}

StopSearch::Pushed StopSearch::push(std::string text) {
  if (seen_.empty()) return {std::move(text)};
  for (const char byte : text) {
    if (const std::string* found = take(byte)) {
      held_.resize(held_.size() - found->size());
      return {std::exchange(held_, {}), found};
    }
  }
  const std::size_t kept = *std::max_element(seen_.begin(), seen_.end());
  std::string shown = held_.substr(0, held_.size() - kept);
  held_.erase(0, shown.size());
  return {std::move(shown)};
}

std::string StopSearch::finish() { return std::exchange(held_, {}); }

}  // namespace troupe
