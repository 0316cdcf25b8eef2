#pragma once

#include <string>
#include <utility>
#include <vector>

#include "troupe/checkpoint.hpp"

namespace troupe::cli {

/// Makes prompts of a conversation that grows. A model's answer, tokenised again, may have other ids than those that it
/// wrote, and behind them nothing that was computed would count: so a prompt whose text begins with what the model has
/// seen begins with the ids that it has seen.
class ChatPrompt {
 public:
  explicit ChatPrompt(Checkpoint checkpoint) : checkpoint_(std::move(checkpoint)) {}

  /// The ids of a rendered conversation.
  [[nodiscard]] std::vector<TokenId> ids_of(const std::vector<TextPart>& parts) const;

  /// That after such a prompt the model wrote these ids, the end of its text among them or not, and shown was `text`.
  void answered(const std::vector<TextPart>& parts, std::vector<TokenId> prompt, const std::vector<TokenId>& ids,
                const std::string& text);

 private:
  [[nodiscard]] bool goes_on(const std::vector<TextPart>& parts, const std::string& text) const;
  [[nodiscard]] std::string text_behind(const std::vector<TokenId>& ids, std::size_t count) const;

  Checkpoint checkpoint_;
  std::string asked_, answer_;      ///< what the model has seen: a prompt, and what it wrote
  std::vector<TokenId> asked_ids_;  ///< of the prompt, as it is tokenised
  std::vector<TokenId> seen_ids_;   ///< of both, as they were
};

}  // namespace troupe::cli
