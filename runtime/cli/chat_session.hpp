#pragma once

#include <functional>
#include <optional>
#include <string>

#include "runtime/cli/chat_prompt.hpp"
#include "runtime/cli/conversation.hpp"
#include "runtime/cli/generating.hpp"
#include "troupe/chat.hpp"
#include "troupe/model.hpp"

namespace troupe::cli {

/// A conversation with a model. What throws Error leaves the conversation as it was, but that an answer which fills the
/// context is kept, and the error tells of it.
class ChatSession {
 public:
  /// `context`: positions that the conversation may have; `stop`: see print_stream.
  ChatSession(Model model, ChatFormat format, GenerateOptions options, std::uint32_t context,
              std::function<bool()> stop);

  /// Prints the answer to a message of the user's.
  void ask(const std::string& text);

  /// Prints another answer to the user's last message, with the next seed.
  void retry();

  void undo();  ///< takes the user's last message and its answer back
  void set_system(const std::string& text) { conversation_.set_system(text); }
  void save(const std::string& file) const;
  void load(const std::string& file);

  /// How fast the last answer was, and what the model's memory holds; lines.
  [[nodiscard]] std::string stats() const;

 private:
  void answer(Conversation to);

  Model model_;
  ChatFormat format_;
  GenerateOptions options_;
  std::uint32_t context_;
  std::function<bool()> stop_;
  Conversation conversation_;
  ChatPrompt prompt_;
  std::optional<Answer> last_;
};

}  // namespace troupe::cli
