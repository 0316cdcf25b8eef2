#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "troupe/checkpoint.hpp"

namespace troupe {

/// How a model wants conversations written.
struct ChatFormat {
  std::string chat_template{};  ///< in Jinja2's language, as Hugging Face's transformers render it
  std::string bos_token{}, eos_token{};
  std::string warning{};  ///< a line, where the template is not the file's own: it has none, or a broken one
};

/// What a file says of it; where it has no template that can be read, ChatML. Throws Error.
[[nodiscard]] ChatFormat chat_format(const Checkpoint& checkpoint);

struct ChatOptions {
  std::string tools{};            ///< JSON: a list of tools in OpenAI's form; empty: none
  bool generation_prompt = true;  ///< whether the text ends with what the answer begins with
  std::string date{};             ///< "2026-01-31", for templates that name the day; empty: today
};

/// The prompt that a template makes of a conversation, in JSON: a list of messages in OpenAI's form. Throws Error,
/// which says the line and column of a template or of JSON, and where a template refuses the conversation what it says.
/// Neither templates nor messages can make this take long or much memory. Any thread.
[[nodiscard]] std::string render_chat(const ChatFormat& format, std::string_view messages,
                                      const ChatOptions& options = {});

/// The same in parts, none empty, which tell who wrote what: trusted ones are the template's own; the others came from
/// the conversation, or were computed from it.
[[nodiscard]] std::vector<TextPart> chat_parts(const ChatFormat& format, std::string_view messages,
                                               const ChatOptions& options = {});

/// The ids of that prompt, with BOS in front where the file asks for it, once. What the conversation wrote becomes no
/// control token. Throws Error as render_chat does. Any thread.
[[nodiscard]] std::vector<TokenId> chat_prompt(const Checkpoint& checkpoint, const ChatFormat& format,
                                               std::string_view messages, const ChatOptions& options = {});

}  // namespace troupe
