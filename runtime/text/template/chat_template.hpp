#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "troupe/error.hpp"
#include "troupe/token.hpp"

namespace troupe {

namespace jinja {
struct Template;
}

/// What a template is given.
struct Conversation {
  std::string_view messages;  ///< JSON: a list of messages in OpenAI's form
  std::string_view tools{};   ///< JSON: a list of tools in the same form; empty: none
  bool generation_prompt = true;
  std::string_view bos_token{}, eos_token{};
  std::tm now{};  ///< the local time
};

/// A chat template in Jinja2's language, as Hugging Face's transformers render it: the sandbox that changes nothing,
/// trim_blocks, lstrip_blocks, loop controls, `generation`, tojson of their own, raise_exception, strftime_now. Of
/// Jinja2 it knows what chat templates use. https://jinja.palletsprojects.com/en/stable/templates/
/// Immutable; any thread.
class ChatTemplate {
 public:
  /// An error with its line and column where the text is no template, or asks for what is not known here.
  [[nodiscard]] static Result<ChatTemplate> parse(std::string_view text);

  /// Parts that follow one another, none empty, no two alike in trust that touch: trusted ones are the template's own;
  /// the others came from the conversation, or were computed from it. An error where the JSON is none, the template
  /// refuses the conversation or fails, or it takes more steps, memory or depth than a conversation of this size may
  /// need: neither templates nor messages can make this take long.
  [[nodiscard]] Result<std::vector<TextPart>> render(const Conversation& conversation) const;

 private:
  explicit ChatTemplate(std::shared_ptr<const jinja::Template> parsed) : parsed_(std::move(parsed)) {}

  std::shared_ptr<const jinja::Template> parsed_;
};

/// The parts as one text.
[[nodiscard]] std::string joined(const std::vector<TextPart>& parts);

/// For models that have no template of their own: each message between <|im_start|> with its role and <|im_end|>.
inline constexpr std::string_view chatml_template =
    "{%- for message in messages -%}\n"
    "{{ '<|im_start|>' + message.role + '\\n' }}\n"
    "{%- if message.content is string %}{{ message.content }}{% endif -%}\n"
    "{{ '<|im_end|>\\n' }}\n"
    "{%- endfor -%}\n"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}";

}  // namespace troupe
